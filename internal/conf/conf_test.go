package conf

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rouse.dev/rouse/internal/fn"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sources makes Sources over a file's text and "NAME=value" pairs.
func sources(file string, env ...string) Sources {
	vars := map[string]string{"HOME": "/home/u"}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	fsys := fstest.MapFS{}
	if file != "" {
		fsys["home/u/.config/rouse/config.yaml"] = &fstest.MapFile{Data: []byte(file)}
	}
	return Sources{
		Env:  func(k string) (string, bool) { v, ok := vars[k]; return v, ok },
		Open: func(p string) (fs.File, error) { return fsys.Open(strings.TrimPrefix(p, "/")) },
		Dir:  "/srv",
	}
}

func TestNothingSaidIsTheDefault(t *testing.T) {
	c, err := Load(sources(""))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default("/home/u/.local/share/rouse"), c, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(fn.Default(), c.Defaults.Policy()); diff != "" {
		t.Errorf("the default policy is not that of the domain:\n%s", diff)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	s := sources("listen: 127.0.0.1:1\ndomain: file.test\ngateway: {headTimeout: 1s, idleTimeout: 2s}\nmetrics: {openfaas: false}\n",
		"ROUSE_DOMAIN=env.test", "ROUSE_GATEWAY_HEAD_TIMEOUT=3s", "ROUSE_DEFAULTS_MEMORY=64Mi",
		"ROUSE_DEFAULTS_RPS=7", "ROUSE_ENGINE_UID_BASE=5000", "ROUSE_BUILD_ENV=A, B")
	s.Flags = map[string]string{"gateway.headTimeout": "4s", "data": "here"}
	c, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, set := range c.Settings() {
		if set.Source != "default" {
			got[set.Name] = set.Value + " " + set.Source
		}
	}
	want := map[string]string{
		"listen": "127.0.0.1:1 file", "domain": "env.test environment", "data": "/srv/here flag",
		"gateway.headTimeout": "4s flag", "gateway.idleTimeout": "2s file", "defaults.memory": "64Mi environment",
		"metrics.openfaas": "false file",
		"defaults.rps":     "7 environment", "engine.uidBase": "5000 environment", "build.env": "A,B environment",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	s := sources("", "ROUSE_LISTEN=nowhere", "ROUSE_LOG_LEVEL=loud", "ROUSE_DEFAULTS_MEMORY=0",
		"ROUSE_DEFAULTS_MAX=-1", "ROUSE_ENGINE_SUBNET=10.0.0.0/30", "ROUSE_AUTH_USERS=admin:read,x:owner",
		"ROUSE_DEFAULTS_NETWORK=maybe")
	_, err := Load(s)
	var got []string
	for _, m := range fn.MistakesOf(err) {
		got = append(got, m.Field)
	}
	want := []string{
		"listen", "log.level", "auth.users", "auth.users", "defaults.memory", "defaults.max", "defaults.min",
		"defaults.network", "engine.subnet",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	if fn.KindOf(err) != fn.Invalid || fn.Hint(err) == "" {
		t.Errorf("kind %v, hint %q", fn.KindOf(err), fn.Hint(err))
	}
}

func TestUnreadableTextsNameTheirPlace(t *testing.T) {
	s := sources("lissten: x\ngateway: {headTimeout: [1]}\n", "ROUSE_POOL_REAP_INTERVAL=soon", "ROUSE_DEFAULTS_CPU=-3")
	s.Flags = map[string]string{"nothing.here": "1", "calls.records": "many", "metrics.openfaas": "maybe"}
	_, err := Load(s)
	var fields []string
	for _, m := range fn.MistakesOf(err) {
		fields = append(fields, m.Field)
	}
	path := "/home/u/.config/rouse/config.yaml"
	want := []string{path, path, "ROUSE_DEFAULTS_CPU", "ROUSE_POOL_REAP_INTERVAL", "calls.records", "metrics.openfaas", "nothing.here"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	if !strings.Contains(err.Error(), "lissten") {
		t.Errorf("the unknown field is not named: %v", err)
	}
}

func TestFileThatWasAskedForMustExist(t *testing.T) {
	s := sources("")
	s.File = "/etc/none.yaml"
	if _, err := Load(s); fn.KindOf(err) != fn.Invalid || !strings.Contains(err.Error(), "/etc/none.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(sources("", "ROUSE_CONFIG=/etc/none.yaml")); err == nil {
		t.Error("a missing ROUSE_CONFIG was passed over")
	}
}

func TestHugeOrDoubledFilesAreRefused(t *testing.T) {
	if _, err := Load(sources("#" + strings.Repeat("x", maxFile))); err == nil {
		t.Error("a huge file was read")
	}
	if _, err := Load(sources("listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n")); err == nil {
		t.Error("two documents were read")
	}
}

func TestDataFolderFollowsTheUser(t *testing.T) {
	env := func(vars map[string]string) func(string) (string, bool) {
		return func(k string) (string, bool) { v, ok := vars[k]; return v, ok }
	}
	for _, row := range []struct {
		vars map[string]string
		root bool
		want string
	}{
		{map[string]string{"HOME": "/h"}, false, "/h/.local/share/rouse"},
		{map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/x"}, false, "/x/rouse"},
		{map[string]string{"HOME": "/h", "XDG_DATA_HOME": "x"}, false, "/h/.local/share/rouse"},
		{map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/x"}, true, "/var/lib/rouse"},
	} {
		if got := DataDir(env(row.vars), row.root); got != row.want {
			t.Errorf("%v root=%v: %s, want %s", row.vars, row.root, got, row.want)
		}
	}
}

func TestEveryFieldIsDocumentedAndHasATextForm(t *testing.T) {
	c := Default("/d")
	c.Defaults.Idle = 90 * time.Second
	again := Config{}
	envs := map[string]string{}
	to := fields(&again)
	for i, f := range fields(&c) {
		if f.doc == "" || strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s: doc %q", f.path, f.doc)
		}
		if other, dup := envs[f.env()]; dup {
			t.Errorf("%s and %s share %s", f.path, other, f.env())
		}
		envs[f.env()] = f.path
		if err := to[i].set(f.text()); err != nil {
			t.Errorf("%s: reading its own text %q: %v", f.path, f.text(), err)
		}
	}
	if diff := cmp.Diff(c, again, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"ROUSE_GATEWAY_HEAD_TIMEOUT", "ROUSE_DEFAULTS_RPS", "ROUSE_ENGINE_UID_BASE", "ROUSE_DATA"} {
		if envs[name] == "" {
			t.Errorf("no field is set by %s", name)
		}
	}
}

func TestWrittenConfigurationReadsBackTheSame(t *testing.T) {
	c, err := Load(sources("", "ROUSE_AUTH_USERS=ci:write:team-a,ci:read", "ROUSE_DEFAULTS_CPU=250m"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(sources(string(text)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c, again, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
}

func TestDocumentationIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "config.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Markdown(), string(got)); diff != "" {
		t.Errorf("docs/config.md is stale, run with -update:\n%s", diff)
	}
}

// FuzzLoad checks that no file makes Load panic, and that what it accepts is
// valid when written and read again.
func FuzzLoad(f *testing.F) {
	text, err := Default("/d").YAML()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("listen: [1, 2]\n")
	f.Add("gateway: &a {headTimeout: 5s}\nx: *a\n")
	f.Add("defaults: {memory: 0}\n")
	f.Fuzz(func(t *testing.T, file string) {
		if file == "" {
			return
		}
		c, err := Load(sources(file))
		if err != nil {
			return
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(sources(string(text)))
		if err != nil {
			t.Fatalf("%v\nwritten:\n%s", err, text)
		}
		if !maps.Equal(values(c), values(again)) {
			t.Errorf("changed by writing:\n%s", cmp.Diff(values(c), values(again)))
		}
	})
}

func values(c Config) map[string]string {
	out := map[string]string{}
	for _, s := range c.Settings() {
		out[s.Name] = s.Value
	}
	return out
}

package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest"
)

// FuzzRef checks that a name that is taken names a function, and is read
// again as the same when written in full.
func FuzzRef(f *testing.F) {
	for _, s := range []string{"hello", "hello.team", "team/hello", "a.b.c", "/", ".", "a/b.c", "UP", ""} {
		f.Add(s, "")
		f.Add(s, "team")
	}
	f.Fuzz(func(t *testing.T, s, namespace string) {
		ref, err := parseRef(s, namespace)
		if err != nil {
			if fn.KindOf(err) != fn.Invalid {
				t.Errorf("%q: %v is not an invalid error", s, err)
			}
			return
		}
		if fn.ValidateRef(fn.Ref(ref)) != nil || namespace != "" && ref.Namespace != namespace {
			t.Errorf("%q in %q is taken as %+v", s, namespace, ref)
		}
		if again, err := parseRef(full(ref), ""); err != nil || again != ref {
			t.Errorf("%+v is written %q and read as %+v, %v", ref, full(ref), again, err)
		}
	})
}

// FuzzHeaders checks that no header breaks out of its line.
func FuzzHeaders(f *testing.F) {
	f.Add("X-A: b")
	f.Add("X-A:b\r\nX-C: d")
	f.Add(": x")
	f.Fuzz(func(t *testing.T, line string) {
		h, err := parseHeaders([]string{line})
		if err != nil {
			return
		}
		for name, values := range h {
			if strings.ContainsAny(name+values[0], "\r\n") || name == "" {
				t.Errorf("%q gives %q: %q", line, name, values)
			}
		}
	})
}

// TestManifestsArriveAsTheyWereWritten sends every field of a spec through the
// wire and compares what the server understood.
func TestManifestsArriveAsTheyWereWritten(t *testing.T) {
	work := t.TempDir()
	server, err := nativetest.Start(filepath.Join(work, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	text := `name: all
runtime: exec
handler: run
command: [./run, "a b", ""]
mode: fork
env: {A: "1", B: ""}
secrets: [db, api.key]
network: off
limits: {memory: 100000001, cpu: 1234m, pids: 17, tmp: 3Mi, timeout: 1h0m0.5s, start: 1500ms}
scale: {min: 1, max: 3, concurrency: 2, target: 51, rps: 5, metric: rps, goal: 4.5, activation: 2, window: 90s, queue: 9, freeze: never, idle: 61s}
labels: {tier: web}
annotations: {note: "a, b = c"}
`
	for _, name := range []string{"db", "api.key"} {
		if err := server.CreateSecret(t.Context(), "default", name, nil); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(work, "all", "rouse.yaml"), text)
	s := run(t, Deps{Dir: work}, map[string]string{"ROUSE_URL": server.URL, "ROUSE_DATA": server.Dir}, "deploy", "all")
	s.await(t, "is ready")
	want, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	set := want[0].Spec
	set.Image = "none" // a deploy by reference has no manifest
	everyFieldSet(t, reflect.ValueOf(set), "spec")
	got, err := server.Function(t.Context(), fn.Ref{Namespace: "default", Name: "all"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[0].Spec, got.Spec); diff != "" {
		t.Error(diff)
	}
	if got.Labels["tier"] != "web" || got.Annotations["note"] != "a, b = c" {
		t.Errorf("labels %v, annotations %v", got.Labels, got.Annotations)
	}
}

// everyFieldSet fails for a zero field, so that a new one is not forgotten.
func everyFieldSet(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	for i := range v.NumField() {
		f, name := v.Field(i), path+"."+v.Type().Field(i).Name
		if f.Kind() == reflect.Struct {
			everyFieldSet(t, f, name)
		} else if f.IsZero() {
			t.Errorf("%s is not set by the manifest of this test", name)
		}
	}
}

func TestSignOfLifeComesAfterASecondOnATerminal(t *testing.T) {
	for name, row := range map[string]struct {
		terminal bool
		work     time.Duration
		want     string
	}{
		"short":     {true, 900 * time.Millisecond, ""},
		"long":      {true, 1300 * time.Millisecond, "working 1s"},
		"unwatched": {false, time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				c := &cli{Deps: Deps{Err: &out, ErrTerminal: row.terminal}}
				err := c.during("working", func() error {
					<-time.After(row.work)
					return io.ErrUnexpectedEOF
				})
				if err != io.ErrUnexpectedEOF {
					t.Errorf("got %v", err)
				}
				text := out.String()
				if row.want == "" && text != "" || !strings.Contains(text, row.want) {
					t.Errorf("shown: %q", text)
				}
				if text != "" && !strings.HasSuffix(text, "\r\x1b[K") {
					t.Errorf("the sign of life stays on the screen: %q", text)
				}
			})
		})
	}
}

func TestLinesStayAboveTheSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := &cli{Deps: Deps{Err: &out, ErrTerminal: true}}
		p := c.newProgress(0)
		p.Begin("build")
		p.Print("line")
		<-time.After(frame + time.Millisecond)
		p.Close()
		if want := "⠙ build\r\x1b[Kline\n⠹ build\r\x1b[K⠸ build\r\x1b[K"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}

func TestSilentPipesAreRemarkedUpon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		in, feed := io.Pipe()
		c := &cli{Deps: Deps{In: in, InData: true, Err: &out}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		if _, err := c.body(ctx, call{}); err != context.Canceled {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(out.String(), "-d ''") {
			t.Errorf("said %q", out.String())
		}
		feed.Close() // ends the read that is still waiting
	})
}

func TestThePasswordIsForThisMachineOnly(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://localhost": true, "http://[::1]:1": true, "https://127.1.2.3": true,
		"http://example.org": false, "http://10.0.0.1:8080": false, "http://localhost.example.org": false,
		"http://127.0.0.1.example.org": false, "http://127.0.0.1@example.org": false, "%": false,
	} {
		if got := local(url); got != want {
			t.Errorf("%s: local is %v", url, got)
		}
	}
}

func TestServerURLFollowsTheConfiguration(t *testing.T) {
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:8080", "0.0.0.0:9": "http://127.0.0.1:9", "[::]:9": "http://127.0.0.1:9",
		"10.0.0.5:80": "http://10.0.0.5:80", "[::1]:7": "http://[::1]:7",
	} {
		env := map[string]string{"ROUSE_LISTEN": listen, "ROUSE_DATA": "/nowhere", "HOME": "/nowhere"}
		c := &cli{Deps: Deps{Env: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}}
		if got := c.serverURL(); got != want {
			t.Errorf("listening on %q: %s, want %s", listen, got, want)
		}
	}
}

func TestServerURLIsWhatTheServerWroteDown(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "address"), []byte("127.0.0.1:18080\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ data, listen, url, want string }{
		{"", "", "", "http://127.0.0.1:18080"},
		{dir, "", "", "http://127.0.0.1:18080"},
		{"", "127.0.0.1:9", "", "http://127.0.0.1:9"},
		{"", "", "http://127.0.0.1:7", "http://127.0.0.1:7"},
		{t.TempDir(), "", "", "http://127.0.0.1:8080"},
	} {
		env := map[string]string{"ROUSE_DATA": dir, "ROUSE_LISTEN": row.listen, "HOME": "/nowhere"}
		c := &cli{Deps: Deps{Env: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}, data: row.data, url: row.url}
		if got := c.serverURL(); got != row.want {
			t.Errorf("%+v: %s", row, got)
		}
	}
}

func TestUnreadablePasswordSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "admin-password"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := &cli{Deps: Deps{Dir: dir}, data: dir, url: "http://127.0.0.1:1"}
	if _, err := c.connect(); fn.KindOf(err) != fn.Invalid || !strings.Contains(err.Error(), "reading the password") {
		t.Errorf("a folder as password file: %v", err)
	}
}

func TestTextOnATerminalDoesNotSteerIt(t *testing.T) {
	var out bytes.Buffer
	c := &cli{Deps: Deps{Out: &out}}
	if err := c.showText(strings.NewReader("a\x1b[31m\r\n\xffé\tb\u009b")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "a\uFFFD[31m\uFFFD\n\uFFFDé\tb\uFFFD" {
		t.Errorf("got %q", got)
	}
	if err := c.showText(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("a text that breaks off is taken for a whole one")
	}
}

func TestOutputOfFunctionsCannotSteerATerminal(t *testing.T) {
	if got := printable("a\x1b[31mb\tc\x07\u009b"); got != "a\uFFFD[31mb\tc\uFFFD\uFFFD" {
		t.Errorf("%q", got)
	}
}

func TestRoughSizesAndAges(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1Ki", 1536: "1.5Ki", 10 << 30: "10Gi", 5 << 50: "5120Ti"} {
		if got := roughly(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0s", 59 * time.Second: "59s", 47 * time.Hour: "47h", 72 * time.Hour: "3d", 90 * time.Second: "1m"} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestNamesInFull(t *testing.T) {
	if got := full(client.Ref{Name: "a"}) + " " + full(client.Ref{Name: "a", Namespace: "default"}) + " " + full(client.Ref{Name: "a", Namespace: "b"}); got != "a a a.b" {
		t.Error(got)
	}
}

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// keeper is a function that proves what it can read without telling it: it
// answers with the digests of its secrets.
const keeper = `import hashlib, os

def look(folder):
    names = sorted(os.listdir(folder))
    return [(n, oct(os.stat(folder + "/" + n).st_mode & 0o777), hashlib.sha256(open(folder + "/" + n, "rb").read()).hexdigest()) for n in names]

def handle(event, context):
    mine, theirs = look(os.environ["ROUSE_SECRETS"]), look("/var/openfaas/secrets")
    try:
        open("/var/rouse/secrets/token", "w").write("spoilt")
        return "it could be written"
    except OSError:
        pass
    return "\n".join("%s %s %s" % t for t in mine) if mine == theirs else "%r is not %r" % (mine, theirs)
`

func (s *server) keeper(name, code string, secrets ...string) string {
	return s.write(map[string]string{
		"rouse.yaml": fmt.Sprintf("name: %s\nruntime: python\nsecrets: [%s]\n", name, strings.Join(secrets, ", ")),
		"handler.py": code,
	})
}

// pipe runs a command with something on its standard input, and returns all it
// printed.
func (s *server) pipe(in string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "ROUSE_URL="+s.url, "ROUSE_DATA="+s.data, "NO_COLOR=1")
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("rouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// secretLine is what keeper says of a secret.
func secretLine(name, value string) string {
	sum := sha256.Sum256([]byte(value))
	return name + " 0o400 " + hex.EncodeToString(sum[:])
}

// traces finds a value in the forms that it might have leaked in.
type traces struct {
	t     *testing.T
	forms map[string]string // form → what it is
	seen  int               // bytes searched
}

func tracesOf(t *testing.T, values ...string) *traces {
	tr := &traces{t: t, forms: map[string]string{}}
	for _, v := range values {
		tr.forms[v] = "plain"
		tr.forms[hex.EncodeToString([]byte(v))] = "hex"
		for pad := range 3 { // wherever in base64 it begins
			b := base64.RawStdEncoding.EncodeToString(append(make([]byte, pad), v...))
			tr.forms[b[(pad*4+2)/3+1:len(b)-2]] = "base64"
		}
	}
	return tr
}

func (tr *traces) search(where string, text []byte) {
	tr.t.Helper()
	tr.seen += len(text)
	for form, what := range tr.forms {
		if bytes.Contains(text, []byte(form)) {
			tr.t.Errorf("%s holds the value of a secret (%s)", where, what)
		}
	}
}

func (tr *traces) searchFolder(dir string) {
	tr.t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // gone meanwhile
		}
		if b, err := os.ReadFile(path); err == nil {
			files++
			tr.search(path, b)
		}
		tr.search("the name of "+path, []byte(path))
		return nil
	})
	if err != nil || files < 5 {
		tr.t.Errorf("searched %d files of %s: %v", files, dir, err)
	}
}

// searchProcesses looks at what everybody on the host could see of the
// server's processes and all others.
func (tr *traces) searchProcesses() {
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", "/proc/[0-9]*/environ"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil {
				tr.search(name, b)
			}
		}
	}
}

// TestSecretsAreNowhereToBeFound gives functions secrets, and then searches
// everything the server wrote, printed, answered, or shows of its processes.
func TestSecretsAreNowhereToBeFound(t *testing.T) {
	needRoot(t)
	s := start(t)
	first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	tr := tracesOf(t, first, second)
	tr.search("what the command line prints", []byte(s.pipe(first, "secret", "create", "token")))
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("plain\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("secret", "create", "note.txt", "-f", file)
	s.must("deploy", s.keeper("keeper", keeper, "token", "note.txt"))
	want := secretLine("note.txt", "plain\n") + "\n" + secretLine("token", first)
	if status, body, _ := s.call("keeper", ""); status != http.StatusOK || body != want {
		t.Fatalf("status %d, it says\n%s\nwant\n%s", status, body, want)
	}

	for name, source := range map[string]string{
		"broken": s.keeper("broken", "raise SystemExit(3)\n", "token"), "lacking": s.keeper("lacking", keeper, "token", "gone", "lost"),
	} {
		_, err := s.rouse("deploy", source)
		if err == nil {
			t.Errorf("%s was deployed", name)
			continue
		}
		tr.search("the error of a deploy", []byte(err.Error()))
		if name == "lacking" && !(strings.Contains(err.Error(), "secret gone") && strings.Contains(err.Error(), "secret lost")) {
			t.Errorf("not all that is missing is named: %v", err)
		}
	}

	failed := s.callWhile("keeper", func() {
		tr.search("an update", []byte(s.pipe(second, "secret", "update", "token")))
		s.waitFor("the new value", 30*time.Second, func() bool {
			_, body, _, err := s.tryCall(http.DefaultClient, "keeper", "")
			return err == nil && strings.Contains(body, secretLine("token", second))
		})
	})
	for _, f := range failed {
		t.Errorf("a call failed during the update: %s", f)
	}

	tr.searchProcesses()
	for _, args := range [][]string{
		{"describe", "keeper"}, {"describe", "keeper", "-o", "json"}, {"list", "-o", "json"}, {"revisions", "keeper", "-o", "json"},
		{"secret", "list", "-o", "json"}, {"logs", "keeper"}, {"logs", "keeper", "--build"}, {"config", "-o", "json"}, {"doctor", "-o", "json"},
	} {
		tr.search("rouse "+strings.Join(args, " "), []byte(s.must(args...)))
	}
	saved := filepath.Join(t.TempDir(), "saved")
	s.must("backup", saved)
	tr.search("a backup", s.unpack(saved))
	tr.search("/metrics", s.page("/metrics"))
	tr.search("/openapi.json", s.page("/openapi.json"))

	s.must("secret", "remove", "token")
	s.scale("keeper", 0)
	s.waitFor("the last instance to end", 30*time.Second, func() bool { return s.function("keeper").Status.Replicas.Total() == 0 })
	status, body, h := s.call("keeper", "")
	if status != http.StatusServiceUnavailable || h.Get("X-Rouse-Cause") != "no-secret" || !strings.Contains(body, "secret token") {
		t.Errorf("without its secret: status %d, %v, %s", status, h, body)
	}
	tr.search("the answer to a call", []byte(body))
	s.must("restore", "--replace", saved)
	if status, body, _ := s.call("keeper", ""); status != http.StatusOK || !strings.Contains(body, secretLine("token", second)) {
		t.Errorf("after a restore: status %d, %s", status, body)
	}
	s.kill()
	tr.searchFolder(s.data)
	tr.search("the server's output", []byte(s.out.String()))
	s.run()
	if status, body, _ := s.call("keeper", ""); status != http.StatusOK || !strings.Contains(body, secretLine("token", second)) {
		t.Errorf("after a crash: status %d, %s", status, body)
	}
	s.stop()
	tr.searchFolder(s.data)
	tr.search("the server's output", []byte(s.out.String()))
	if tr.seen < 100_000 {
		t.Errorf("only %d bytes were searched", tr.seen)
	}
	tr.mustFind(first)
}

// mustFind makes sure that the search finds what there is to find.
func (tr *traces) mustFind(value string) {
	for what, text := range map[string]string{
		"plain": "x" + value + "y", "hex": hex.EncodeToString([]byte("x" + value)), "base64": base64.StdEncoding.EncodeToString([]byte(`{"value":"` + value + `"}`)),
	} {
		found := false
		for form, is := range tr.forms {
			found = found || is == what && strings.Contains(text, form)
		}
		if !found {
			tr.t.Errorf("the search would not have found it as %s", what)
		}
	}
}

// callWhile calls a function over and over while something is done, and
// returns what went wrong.
func (s *server) callWhile(name string, do func()) (failed []string) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 4 {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for ctx.Err() == nil {
				status, body, _, err := s.tryCall(c, name, "")
				if err != nil || status != http.StatusOK {
					mu.Lock()
					failed = append(failed, fmt.Sprintf("status %d, %v, %.500s", status, err, body))
					mu.Unlock()
				}
			}
		})
	}
	do()
	cancel()
	wg.Wait()
	return failed
}

// page fetches a page of the management API.
func (s *server) page(path string) []byte {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("admin", s.password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: status %d, %v", path, res.StatusCode, err)
	}
	return b
}

// unpack returns what a backup holds, and makes sure that the key is not in it.
func (s *server) unpack(file string) []byte {
	s.t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	z, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		s.t.Fatal(err)
	}
	defer z.Close()
	b, err := io.ReadAll(z)
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("note.txt")) || bytes.Contains(b, []byte("AGE-SECRET-KEY-")) {
		s.t.Error("the backup has no secrets, or it has their key")
	}
	return b
}

// TestSecretsMoveToAnotherServerWithTheirKey restores a backup elsewhere, as
// docs/secrets.md says.
func TestSecretsMoveToAnotherServerWithTheirKey(t *testing.T) {
	needRoot(t)
	from, to := start(t), start(t)
	from.pipe("moved", "secret", "create", "token")
	from.must("deploy", from.keeper("keeper", keeper, "token"))
	saved := filepath.Join(t.TempDir(), "saved")
	from.must("backup", saved)
	to.pipe("own", "secret", "create", "own")

	_, err := to.rouse("restore", saved)
	ours := filepath.Join(to.data, "secrets.key")
	if err == nil || !strings.Contains(err.Error(), "no key for 1 secrets") || !strings.Contains(err.Error(), ours) {
		t.Fatalf("without the key: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(from.data, "secrets.key"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(ours, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(key); err != nil {
		t.Fatal(err)
	}
	f.Close()
	to.stop()
	to.run()
	if out := to.must("restore", saved); !strings.Contains(out, "1 function in 1 namespace, 1 secret") {
		t.Errorf("restore said %q", out)
	}
	if status, body, _ := to.call("keeper", ""); status != http.StatusOK || body != secretLine("token", "moved") {
		t.Errorf("status %d, it says %s", status, body)
	}

	to.stop()
	if err := os.Remove(ours); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "up", "--listen", to.listen, "--data", to.data).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "secrets.key is missing") || !strings.Contains(string(out), "hint: put it back") {
		t.Errorf("without its key file: %v\n%s", err, out)
	}
	if _, err := os.Stat(ours); err == nil {
		t.Error("a new key was made")
	}
}

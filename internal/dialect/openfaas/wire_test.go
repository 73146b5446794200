package openfaas_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"rouse.dev/rouse/internal/fn"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/wire")

// TestWire sends the requests of testdata/wire byte for byte, each file to a
// platform of its own, and compares the answers with those beside them. The
// requests are what faas-cli, go-sdk, the portal and Alertmanager send.
//
// A request begins with its head; ACCOUNT:NAME in Authorization stands for that
// account's credentials. A section named "eventually" repeats its request until
// the answer is the wanted one; what is no fact of the contract (times, ids) is
// masked.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { wireFile(t, file) })
	}
}

func wireFile(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t)
	r.native(fn.Ref{Namespace: "default", Name: "figlet"}, fn.Spec{Env: map[string]string{"PRINT": "good morning"}})
	r.calls.Store(fn.Ref{Namespace: "default", Name: "figlet"}, uint64(7))
	for i := 0; i+1 < len(a.Files); i += 2 {
		ask, want := a.Files[i], &a.Files[i+1]
		got := r.raw(ask.Data)
		switch {
		case *update && (want.Name != "eventually" || len(want.Data) == 0):
			want.Data = got
		case want.Name == "eventually":
			r.until(string(want.Data), func() bool { got = r.raw(ask.Data); return bytes.Equal(got, want.Data) })
		}
		if diff := cmp.Diff(string(want.Data), string(got)); diff != "" {
			head, _, _ := strings.Cut(string(ask.Data), "\n")
			t.Errorf("%s: %s\n%s", ask.Name, head, diff)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	credentials = regexp.MustCompile(`ACCOUNT:(\w+)`)
	masks       = []struct {
		re *regexp.Regexp
		to string
	}{
		{regexp.MustCompile(`("createdAt"|"timestamp"|"started"):"[^"]*"`), `$1:"TIME"`},
		{regexp.MustCompile(`"instance":"[^"]*"`), `"instance":"INSTANCE"`},
		{regexp.MustCompile(`"uptimeSeconds":\d+`), `"uptimeSeconds":0`},
		{regexp.MustCompile(`"cpu":[\d.]+`), `"cpu":0`},
	}
)

// raw sends a request as it stands and returns the answer, the parts of it
// that matter.
func (r *rig) raw(text []byte) []byte {
	r.t.Helper()
	head, body, _ := strings.Cut(string(text), "\n\n")
	body = strings.TrimSuffix(body, "\n")
	head = credentials.ReplaceAllStringFunc(head, func(s string) string {
		name := strings.TrimPrefix(s, "ACCOUNT:")
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+r.password(name)))
	})
	conn, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.Listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	lines := strings.Split(strings.TrimSpace(head), "\n")
	lines = append(lines, "Host: 127.0.0.1:8080", "Connection: close")
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body); err != nil {
		r.t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	return r.show(resp)
}

func (r *rig) show(resp *http.Response) []byte {
	r.t.Helper()
	var out bytes.Buffer
	fmt.Fprintln(&out, resp.Status)
	for _, name := range []string{"Allow", "Content-Type", "Location", "Www-Authenticate"} {
		if v := resp.Header.Get(name); v != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range masks {
		body = m.re.ReplaceAll(body, []byte(m.to))
	}
	if len(body) > 0 {
		out.WriteByte('\n')
		out.Write(body)
		if !bytes.HasSuffix(body, []byte("\n")) {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

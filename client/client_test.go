package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server in memory and a client of it.
func start(t *testing.T, options ...client.Option) (*nativetest.Server, *client.Client) {
	t.Helper()
	s, err := nativetest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, dialTo(t, s.URL, append([]client.Option{client.WithPassword("admin", s.Password)}, options...)...)
}

func dialTo(t *testing.T, url string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func kind(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Kind
	}
	return fmt.Sprint(err)
}

func TestBadURLsAreRefusedAtOnce(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://host", "http://", "http://a b/", "/v1"} {
		if _, err := client.New(url); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:8080") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestErrorsCarryWhatTheServerSaid(t *testing.T) {
	_, c := start(t)
	_, err := c.Deploy(t.Context(), client.Ref{Name: "f"}, api.DeployRequest{
		Spec: api.Spec{Runtime: "python", Limits: api.Limits{Memory: "0", CPU: "x"}},
	}, nil)
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Kind != "invalid" || len(e.Mistakes) != 3 {
		t.Errorf("%+v", err)
	}
	if err := c.Remove(t.Context(), client.Ref{Namespace: "a/b", Name: "?"}); kind(err) != "invalid" {
		t.Errorf("names are not escaped: %v", err)
	}
	_, err = c.Deploy(t.Context(), client.Ref{Name: "f"}, api.DeployRequest{
		Artifact: "sha256:" + strings.Repeat("0", 64),
		Spec:     api.Spec{Runtime: "python", Env: map[string]string{nativetest.FailStart: "boom"}},
	}, nil)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Cause != "exited" || !cmp.Equal(e.Output, []string{"boom"}) {
		t.Errorf("%+v", err)
	}
}

func TestWithoutPassword(t *testing.T) {
	s, _ := start(t)
	c := dialTo(t, s.URL)
	if _, err := c.Info(t.Context()); kind(err) != "unauthenticated" {
		t.Errorf("info: %v", err)
	}
	if h, err := c.Health(t.Context()); err != nil || h.Status != "ok" {
		t.Errorf("health: %+v, %v", h, err)
	}
}

func TestNamespacesAndSystem(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	if _, err := c.CreateNamespace(ctx, "team", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateNamespace(ctx, api.Namespace{Name: "nobody"}); kind(err) != "not-found" {
		t.Error(err)
	}
	ns, err := c.UpdateNamespace(ctx, api.Namespace{Name: "team", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}})
	if err != nil || ns.Annotations["c"] != "d" {
		t.Errorf("%+v, %v", ns, err)
	}
	all, err := c.Namespaces(ctx)
	if err != nil || len(all) != 2 || all[1].Labels["a"] != "b" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := c.DeleteNamespace(ctx, "team"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteNamespace(ctx, "team"); kind(err) != "not-found" {
		t.Error(err)
	}
	if rs, err := c.Runtimes(ctx); err != nil || len(rs) != 4 {
		t.Errorf("%+v, %v", rs, err)
	}
	if d, err := c.Doctor(ctx); err != nil || d.Level != "full" {
		t.Errorf("%+v, %v", d, err)
	}
	if s, err := c.Config(ctx); err != nil || len(s) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if i, err := c.Info(ctx); err != nil || i.Version != "v0.0.0-test" {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestLifeOfAFunction(t *testing.T) {
	_, c := start(t)
	ctx, ref := t.Context(), client.Ref{Name: "f"}
	const nothing = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	if has, err := c.HasSource(ctx, nothing); has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	digest, err := c.UploadSource(ctx, strings.NewReader("source"))
	if err != nil {
		t.Fatal(err)
	}
	if has, err := c.HasSource(ctx, digest); !has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	req := api.DeployRequest{Source: digest, Spec: api.Spec{Runtime: "python"}, Labels: map[string]string{"tier": "x"}}
	for range 2 {
		if _, err := c.Deploy(ctx, ref, req, nil); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := c.Rollback(ctx, ref, 0); err != nil || f.Traffic[0].Revision != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	if rs, err := c.Revisions(ctx, ref); err != nil || len(rs) != 2 {
		t.Errorf("%+v, %v", rs, err)
	}
	if is, err := c.Instances(ctx, ref); err != nil || len(is) != 1 {
		t.Errorf("%+v, %v", is, err)
	}
	if f, err := c.Function(ctx, ref); err != nil || f.Name != "f" {
		t.Errorf("%+v, %v", f, err)
	}
	for label, want := range map[string]int{"x": 1, "y": 0} {
		if fs, err := c.Functions(ctx, client.ListOptions{Labels: map[string]string{"tier": label}}); err != nil || len(fs) != want {
			t.Errorf("%+v, %v", fs, err)
		}
	}
	if _, err := c.Functions(ctx, client.ListOptions{Labels: map[string]string{"tier": "x,y"}}); err == nil {
		t.Error("a label that cannot be written was sent")
	}
	if err := c.Remove(ctx, ref); err != nil {
		t.Error(err)
	}
	if _, err := c.Function(ctx, ref); kind(err) != "not-found" {
		t.Error(err)
	}
}

func TestOutputOfTheLastBuild(t *testing.T) {
	_, c := start(t)
	ctx, ref := t.Context(), client.Ref{Name: "f"}
	if _, err := c.BuildOutput(ctx, ref); kind(err) != "not-found" {
		t.Errorf("before: %v", err)
	}
	digest, err := c.UploadSource(ctx, strings.NewReader("source"))
	if err != nil {
		t.Fatal(err)
	}
	spec := api.Spec{Runtime: "python", Env: map[string]string{nativetest.FailBuild: "no module named x"}}
	if _, err := c.Deploy(ctx, ref, api.DeployRequest{Source: digest, Spec: spec}, nil); kind(err) != "invalid" {
		t.Fatal(err)
	}
	out, err := c.BuildOutput(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if text, err := io.ReadAll(out); err != nil || !strings.Contains(string(text), "no module named x") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTooLargeAnUploadIsRefusedBeforeItIsSent(t *testing.T) {
	_, c := start(t)
	_, err := c.UploadSource(t.Context(), strings.NewReader(strings.Repeat("x", 9<<20)))
	if kind(err) != "too-large" {
		t.Error(err)
	}
}

func TestFilesAreSentWithTheirLength(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, `{"digest":"%d %s %s:%s"}`, r.ContentLength, body, user, password)
	}))
	t.Cleanup(s.Close)
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	c := dialTo(t, strings.Replace(s.URL, "http://", "http://me:hidden@", 1))
	if c.URL() != s.URL {
		t.Errorf("the URL shows the password: %s", c.URL())
	}
	if got, err := c.UploadSource(t.Context(), f); err != nil || got != "6 456789 me:hidden" {
		t.Errorf("%q, %v", got, err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("the file was closed: %v", err)
	}
}

func TestLogsEndWithTheirContext(t *testing.T) {
	_, c := start(t)
	hello(t.Context(), c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var texts []string
	var last error
	for line, err := range c.Logs(ctx, client.Ref{Name: "hello"}, client.LogOptions{Follow: true}) {
		if err != nil {
			last = err
			break
		}
		texts = append(texts, line.Text)
		cancel()
	}
	if !cmp.Equal(texts, []string{"revision 1 serves"}) || !errors.Is(last, context.Canceled) {
		t.Errorf("%q, %v", texts, last)
	}
	for _, err := range c.Logs(t.Context(), client.Ref{Name: "nobody"}, client.LogOptions{}) {
		if kind(err) != "not-found" {
			t.Error(err)
		}
	}
	for range c.Logs(t.Context(), client.Ref{Name: "hello"}, client.LogOptions{Follow: true, Since: time.Unix(0, 0), Tail: 1}) {
		break // leaving the loop ends the request; goleak sees if not
	}
}

func TestCallsCarryNoPasswordAndPassAnswersOn(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a function saw the password")
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
		fmt.Fprint(w, r.Method, " ", r.URL, " ", r.Host, " ", r.Header.Get("X-A"))
	}))
	t.Cleanup(s.Close)
	c := dialTo(t, s.URL+"/prefix/", client.WithPassword("admin", "secret-secret"))
	resp, err := c.Invoke(t.Context(), client.Ref{Namespace: "n", Name: "f"}, client.Call{
		Path: "/a%20b?x=1", Header: http.Header{"x-a": {"1"}, "Host": {"other.example"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if want := "GET /prefix/function/f.n/a%20b?x=1 other.example 1"; string(body) != want || resp.StatusCode != 302 {
		t.Errorf("%d %q, want %q", resp.StatusCode, body, want)
	}
}

func TestAnswersThatAreNotOurs(t *testing.T) {
	for name, row := range map[string]struct {
		status     int
		body, kind string
	}{
		"proxy":       {502, "<html>Bad Gateway</html>", "unavailable"},
		"empty":       {404, "", "not-found"},
		"other JSON":  {429, `{"error":"slow down"}`, "exhausted"},
		"huge":        {500, strings.Repeat("x", 1<<20), "internal"},
		"strange":     {418, "\xff\xfe", "invalid"},
		"null error":  {503, `{"error":null}`, "unavailable"},
		"redirection": {302, "", "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(row.status)
				fmt.Fprint(w, row.body)
			}))
			t.Cleanup(s.Close)
			_, err := dialTo(t, s.URL).Info(t.Context())
			e, ok := errors.AsType[*api.Error](err)
			if !ok || e.Kind != row.kind || e.Hint == "" || len(e.Message) > 300 {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestBrokenStreamsAreErrors(t *testing.T) {
	for name, body := range map[string]string{
		"cut short": `{"step":"build"}` + "\n", "garbage": "\n<html>", "half": `{"step":`,
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
			t.Cleanup(s.Close)
			if _, err := dialTo(t, s.URL).Deploy(t.Context(), client.Ref{Name: "f"}, api.DeployRequest{}, nil); err == nil {
				t.Error("the deploy passes for a success")
			}
		})
	}
}

func TestHalfABackupIsAnError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", 1<<16))
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	if _, err := dialTo(t, s.URL).Backup(t.Context(), io.Discard); err == nil {
		t.Error("half a backup passes for a whole one")
	}
}

func TestImagesAndTheStore(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	digest, err := c.UploadSource(ctx, strings.NewReader("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := c.SetImage(ctx, api.ImageRequest{Reference: "a/b", Source: digest, Spec: api.Spec{Runtime: "python"}})
	if err != nil || img.Source != digest {
		t.Errorf("set %+v, %v", img, err)
	}
	if list, err := c.Images(ctx); err != nil || len(list) != 1 || list[0].Reference != "a/b" {
		t.Errorf("listed %+v, %v", list, err)
	}
	f, err := c.Deploy(ctx, client.Ref{Namespace: "default", Name: "x"}, api.DeployRequest{Image: "docker.io/a/b:latest"}, nil)
	if err != nil || f.Spec.Image != "docker.io/a/b:latest" {
		t.Errorf("deployed %+v, %v", f, err)
	}
	if err := c.RemoveImage(ctx, "a/b"); err != nil {
		t.Error(err)
	}
	if e, ok := errors.AsType[*api.Error](c.RemoveImage(ctx, "a/b")); !ok || e.Kind != "not-found" {
		t.Errorf("a second time: %v", e)
	}
	store, err := c.Store(ctx)
	if err != nil || len(store) < 12 || store[0].Images["x86_64"] == "" {
		t.Errorf("%d functions in the store, %v", len(store), err)
	}
}

package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret of sixteen bytes or more"

// platform is a Control whose builds do what a test wants.
type platform struct {
	mu      sync.Mutex
	files   map[string]string // guarded by mu: of the source accepted last
	request control.ImageRequest
	fail    error
	gate    chan struct{} // builds wait for a value; nil: they do not
}

func (p *platform) AcceptSource(_ context.Context, r io.Reader) (string, error) {
	files := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			return "", err
		}
		files[h.Name] = fmt.Sprintf("%c%o %s%s", h.Typeflag, h.Mode, text, h.Linkname)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = files
	return "sha256:source", nil
}

func (p *platform) BuildImage(ctx context.Context, req control.ImageRequest, emit func(control.Event)) (fn.Image, error) {
	emit(control.Event{Step: "compile"})
	emit(control.Event{Step: "compile", Line: "compiling"})
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			return fn.Image{}, context.Cause(ctx)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.request = req; p.fail != nil {
		return fn.Image{}, p.fail
	}
	emit(control.Event{Step: "compile", Done: true, Took: 1500 * time.Millisecond})
	return fn.Image{Reference: req.Reference}, nil
}

func newAPI(t *testing.T, p *platform, change func(*Config)) (*API, string) {
	t.Helper()
	tmp := t.TempDir()
	c := Config{Control: p, Secret: []byte(secret), Tmp: tmp, Upload: 1 << 20, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
			t.Errorf("left %v, %v", left, err)
		}
	})
	return New(c), tmp
}

// entry is one entry of a tar.
type entry struct {
	name, text string
	kind       byte
}

// pack makes a tar.
func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Size: int64(len(e.text)), Mode: 0o755}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if e.kind == tar.TypeSymlink {
			h.Size, h.Linkname, e.text = 0, e.text, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func good(t *testing.T) []byte {
	return pack(t, entry{"context", "", tar.TypeDir}, entry{"context/Dockerfile", "FROM x\n", 0}, entry{"context/function/link", "../Dockerfile", tar.TypeSymlink},
		entry{configName, `{"image":"ghcr.io/me/shop:1","buildArgs":{"A":"b"},"new":1}`, 0})
}

func sign(body []byte, with string) string {
	sum := hmac.New(sha256.New, []byte(with))
	sum.Write(body)
	return "sha256=" + hex.EncodeToString(sum.Sum(nil))
}

// post sends a build and returns the status and every result of the answer.
func post(t *testing.T, h http.Handler, body []byte, change func(*http.Request)) (int, []result) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/build", bytes.NewReader(body))
	r.Header.Set("X-Build-Signature", sign(body, secret))
	r.Header.Set("Content-Type", "application/octet-stream")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var out []result
	for dec := json.NewDecoder(w.Body); ; {
		var res result
		if err := dec.Decode(&res); errors.Is(err, io.EOF) {
			return w.Code, out
		} else if err != nil {
			t.Fatalf("%d: %v in %s", w.Code, err, w.Body)
		}
		out = append(out, res)
	}
}

func TestBuildAnswersOnceWithItsLog(t *testing.T) {
	p := &platform{}
	api, _ := newAPI(t, p, nil)
	status, got := post(t, api, good(t), nil)
	if status != http.StatusOK || len(got) != 1 {
		t.Fatalf("%d %+v", status, got)
	}
	want := result{
		Image: "ghcr.io/me/shop:1", Status: "success", Duration: got[0].Duration,
		Log: []string{"build arguments are values of the Dockerfile's ARG lines: A; no RUN line that uses them is run", "compile:", "compiling", "compile: done in 1.5s"},
	}
	if d := cmp.Diff(want, got[0]); d != "" || got[0].Duration <= 0 {
		t.Error(d)
	}
	files := map[string]string{"Dockerfile": "0755 FROM x\n", "function/link": "2755 ../Dockerfile"}
	if d := cmp.Diff(files, p.files); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(control.ImageRequest{Reference: "ghcr.io/me/shop:1", Source: "sha256:source", Spec: fn.Spec{Runtime: "openfaas"}}, p.request); d != "" {
		t.Error(d)
	}
}

func TestBuildArgumentsAreValuesOfTheDockerfilesArgLines(t *testing.T) {
	p := &platform{}
	api, _ := newAPI(t, p, nil)
	config := entry{configName, `{"image":"a","buildArgs":{"MODE":"a \"b\"","NOBODY":"asks","ADDITIONAL_PACKAGE":""}}`, 0}
	body := pack(t, entry{"context/./Dockerfile", "FROM x\nARG MODE=none\n", 0}, entry{"context/function/Dockerfile", "ARG MODE\n", 0}, config)
	if status, got := post(t, api, body, nil); status != http.StatusOK || got[0].Status != "success" || !strings.Contains(got[0].Log[0], "ARG lines: MODE, NOBODY;") {
		t.Fatalf("%d %+v", status, got)
	}
	files := map[string]string{"./Dockerfile": `0755 FROM x` + "\n" + `ARG MODE="a \"b\""` + "\n", "function/Dockerfile": "0755 ARG MODE\n"}
	if d := cmp.Diff(files, p.files); d != "" {
		t.Error(d)
	}
	api, _ = newAPI(t, p, func(c *Config) { c.Upload = 4 << 20 })
	for want, e := range map[string]entry{
		"is not a file":   {"context/Dockerfile", "other", tar.TypeSymlink},
		"larger than 1Mi": {"context/Dockerfile", strings.Repeat("#", 1<<20+1), 0},
	} {
		if _, got := post(t, api, pack(t, e, config), nil); got[0].Status != "failed" || !strings.Contains(got[0].Error, want) {
			t.Errorf("%s: %+v", want, got)
		}
	}
}

func TestBuildIsStreamedToWhoWantsThat(t *testing.T) {
	p := &platform{fail: &fn.Failure{Kind: fn.Invalid, Message: "build step compile failed: exit status 1", Output: []string{"compiling"}, Err: errors.New("compiling")}}
	api, _ := newAPI(t, p, nil)
	ndjson := func(r *http.Request) { r.Header.Set("Accept", "application/x-ndjson") }
	status, got := post(t, api, good(t), ndjson)
	if status != http.StatusOK || len(got) != 4 {
		t.Fatalf("%d %+v", status, got)
	}
	for _, line := range got[:3] {
		if line.Status != "in_progress" || len(line.Log) != 1 || line.Image != "ghcr.io/me/shop:1" || line.Duration != 0 {
			t.Errorf("line %+v", line)
		}
	}
	if last := got[3]; last.Status != "failed" || last.Error != "build step compile failed: exit status 1" || last.Duration <= 0 || len(last.Log) != 0 || last.Log == nil {
		t.Errorf("last line %+v", last)
	}
	p.fail = nil
	if _, got := post(t, api, good(t), ndjson); got[len(got)-1].Status != "success" {
		t.Errorf("ended with %+v", got[len(got)-1])
	}
}

func TestSkipPushBuildsAndKeepsNothing(t *testing.T) {
	p := &platform{}
	api, _ := newAPI(t, p, nil)
	body := pack(t, entry{"context/Dockerfile", "FROM x\n", 0}, entry{configName, `{"image":"a","skipPush":true}`, 0})
	if _, got := post(t, api, body, nil); got[0].Status != "success" || !p.request.BuildOnly {
		t.Errorf("%+v, %+v", got, p.request)
	}
}

func TestBuildsOfStrangersAreRefused(t *testing.T) {
	p := &platform{}
	api, _ := newAPI(t, p, nil)
	body := good(t)
	for name, header := range map[string]string{
		"none": "", "no algorithm": strings.TrimPrefix(sign(body, secret), "sha256="), "another": "sha1=" + strings.Repeat("0", 40),
		"short": "sha256=00", "not hex": "sha256=" + strings.Repeat("g", 64), "another secret": sign(body, secret+"x"), "another body": sign(body[1:], secret), "empty secret": sign(body, ""),
	} {
		status, got := post(t, api, body, func(r *http.Request) { r.Header.Set("X-Build-Signature", header) })
		if status != http.StatusUnauthorized || got[0].Status != "failed" || !strings.Contains(got[0].Error, "not signed") || strings.Contains(got[0].Error, secret) {
			t.Errorf("%s: %d %+v", name, status, got)
		}
	}
	if p.files != nil {
		t.Error("something was accepted")
	}
}

func TestBuildsThatMakeNoSenseAreRefused(t *testing.T) {
	p := &platform{}
	api, _ := newAPI(t, p, nil)
	config := entry{configName, `{"image":"a"}`, 0}
	for want, body := range map[string][]byte{
		"not a tar":                       []byte(strings.Repeat("x", 2048)),
		"has no " + configName:            pack(t, entry{"context/Dockerfile", "", 0}),
		"twice":                           pack(t, config, config),
		"sealed secrets":                  pack(t, config, entry{secretsName, "x", 0}),
		`has "../x"`:                      pack(t, config, entry{"../x", "", 0}),
		`has "/etc/passwd"`:               pack(t, config, entry{"/etc/passwd", "", 0}),
		"image: is empty":                 pack(t, entry{configName, `{}`, 0}),
		"is not an image reference":       pack(t, entry{configName, `{"image":"a b"}`, 0}),
		"must be one line of text":        pack(t, entry{configName, `{"image":"a","buildArgs":{"A":"b\nENV c=d"}}`, 0}),
		"unexpected end":                  pack(t, entry{configName, `{`, 0}),
		"must be a file of at most 64Ki":  pack(t, entry{configName, `{"image":"` + strings.Repeat("x", 70000) + `"}`, 0}),
		"builds for linux/":               pack(t, entry{configName, `{"image":"a","platforms":["linux/s390x"]}`, 0}),
		"must be a file of at most 64Ki ": nil,
	} {
		if body == nil {
			body, want = pack(t, entry{configName, "/etc/passwd", tar.TypeSymlink}), strings.TrimSpace(want)
		}
		status, got := post(t, api, body, nil)
		if status != http.StatusBadRequest || !strings.Contains(got[0].Error, want) || got[0].Status != "failed" {
			t.Errorf("%s: %d %+v", want, status, got)
		}
	}
}

func TestBuildsHaveBounds(t *testing.T) {
	p := &platform{}
	api, _ := newAPI(t, p, func(c *Config) { c.Upload = 4096 })
	body := pack(t, entry{"context/big", strings.Repeat("x", 8192), 0}, entry{configName, `{"image":"a"}`, 0})
	for _, known := range []bool{true, false} {
		status, got := post(t, api, body, func(r *http.Request) {
			if !known {
				r.ContentLength = -1
			}
		})
		if status != http.StatusRequestEntityTooLarge || !strings.Contains(got[0].Error, "larger than 4Ki") {
			t.Errorf("length known %v: %d %+v", known, status, got)
		}
	}
}

func TestMoreBuildsThanFitAreRefused(t *testing.T) {
	p := &platform{gate: make(chan struct{})}
	api, _ := newAPI(t, p, func(c *Config) { c.InFlight = 2 })
	body, answers := good(t), make(chan int, 2)
	for range 2 {
		go func() {
			status, _ := post(t, api, body, nil)
			answers <- status
		}()
	}
	for len(api.building) < 2 {
		select {
		case status := <-answers:
			t.Fatalf("a build ended early with %d", status)
		default:
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/build", bytes.NewReader(body))
	r.Header.Set("X-Build-Signature", sign(body, secret))
	api.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("a third: %d %s", w.Code, w.Body)
	}
	close(p.gate)
	if got := []int{<-answers, <-answers}; !slices.Equal(got, []int{200, 200}) {
		t.Errorf("the first two: %v", got)
	}
}

func TestServerWithoutASecretTakesNoBuilds(t *testing.T) {
	api, _ := newAPI(t, &platform{}, func(c *Config) { c.Secret = nil })
	body := good(t)
	status, got := post(t, api, body, func(r *http.Request) { r.Header.Set("X-Build-Signature", sign(body, "")) })
	if status != http.StatusNotFound || !strings.Contains(got[0].Error, "openfaas.builderSecret") {
		t.Errorf("%d %+v", status, got)
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/publickey", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "no key") {
		t.Errorf("/publickey: %d %s", w.Code, w.Body)
	}
}

func TestCallerWhoLeavesEndsTheBuild(t *testing.T) {
	p := &platform{gate: make(chan struct{})}
	api, _ := newAPI(t, p, nil)
	s := httptest.NewServer(api)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	body := good(t)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/build", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Build-Signature", sign(body, secret))
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	if _, err := res.Body.Read(buf); err != nil { // the stream has begun before the build ended
		t.Fatal(err)
	}
	cancel()
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	api.building <- struct{}{}  // three of four are free, so this does not wait …
	for len(api.building) > 1 { // … and this does, until the build is over
		runtime.Gosched()
	}
}

// deadlines is a response whose connection keeps what it was told.
type deadlines struct {
	*httptest.ResponseRecorder
	read []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t)
	return nil
}

func TestTimeToReceiveIsNotTimeToBuild(t *testing.T) {
	api, _ := newAPI(t, &platform{}, nil)
	body := good(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/build", bytes.NewReader(body))
	r.Header.Set("X-Build-Signature", sign(body, secret))
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	api.ServeHTTP(w, r)
	if w.Code != http.StatusOK || len(w.read) != 2 || w.read[0].IsZero() || !w.read[1].IsZero() {
		t.Errorf("%d, deadlines %v", w.Code, w.read)
	}
}

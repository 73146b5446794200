package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// buildResult is what clients of the Function Builder API read.
type buildResult struct {
	Log    []string `json:"log"`
	Image  string   `json:"image"`
	Status string   `json:"status"`
	Error  string   `json:"error"`
}

// tarOf packs a build the way clients of the API do: the context with a name
// for each folder and the modes of the files, the configuration last.
func tarOf(t *testing.T, dir string, config map[string]any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, info.Name())
		if err != nil {
			return err
		}
		h.Name = filepath.Join("context", strings.TrimPrefix(path, dir))
		if err := w.WriteHeader(h); err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	text, merr := json.Marshal(config)
	err = errors.Join(err, merr, w.WriteHeader(&tar.Header{Name: "com.openfaas.docker.config", Mode: 0o664, Size: int64(len(text))}))
	if _, werr := w.Write(text); errors.Join(err, werr, w.Close()) != nil {
		t.Fatal(err, werr)
	}
	return b.Bytes()
}

// remoteBuild sends a build and reads every result.
func (s *server) remoteBuild(body []byte, secret string, stream bool) (int, []buildResult) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/build", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write(body)
	req.Header.Set("X-Build-Signature", "sha256="+hex.EncodeToString(sum.Sum(nil)))
	req.Header.Set("Content-Type", "application/octet-stream")
	if stream {
		req.Header.Set("Accept", "application/x-ndjson")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var out []buildResult
	for dec := json.NewDecoder(res.Body); ; {
		var r buildResult
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return res.StatusCode, out
		} else if err != nil {
			s.t.Fatalf("%d: %v", res.StatusCode, err)
		}
		out = append(out, r)
	}
}

func TestRemoteBuildIsDeployedByItsReference(t *testing.T) {
	needRoot(t)
	const secret = "a payload secret of some length"
	path := filepath.Join(t.TempDir(), "payload-secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROUSE_OPENFAAS_BUILDER_SECRET", path)
	s := start(t)
	const image = "ghcr.io/me/stream:0.1"
	build := func(files map[string]string) []byte {
		return tarOf(t, s.write(files), map[string]any{"image": image, "platforms": []string{}})
	}
	status, got := s.remoteBuild(build(pythonHTTP(t).files), secret+"x", false)
	if status != http.StatusUnauthorized || got[0].Status != "failed" {
		t.Errorf("another secret: %d %+v", status, got)
	}
	files := pythonHTTP(t).files
	files["function/requirements.txt"] = "--no-index\nnothing-of-that-name\n"
	status, got = s.remoteBuild(build(files), secret, false)
	if status != http.StatusOK || len(got) != 1 || got[0].Status != "failed" || !strings.Contains(strings.Join(got[0].Log, "\n"), "No matching distribution") || got[0].Error == "" {
		t.Errorf("a package that is not there: %d %+v", status, got)
	}
	if _, err := s.rouse("deploy", "--image", image, "--name", "stream"); err == nil {
		t.Error("what could not be built was deployed")
	}
	status, got = s.remoteBuild(build(pythonHTTP(t).files), secret, true)
	last := got[len(got)-1]
	if status != http.StatusOK || len(got) < 3 || got[0].Status != "in_progress" || last.Status != "success" || last.Image != image {
		t.Fatalf("a stream: %d %+v", status, got)
	}
	out := s.must("deploy", "--image", image, "--name", "stream", "-e", "greeting=hi")
	if status, text, _ := s.ask("stream", "/", "gopher"); status != 201 || text != "POST / hi GOPHER!" {
		t.Errorf("%s: %d %q", out, status, text)
	}
	// The same once more changes nothing.
	if status, got := s.remoteBuild(build(pythonHTTP(t).files), secret, false); status != http.StatusOK || got[0].Status != "success" {
		t.Errorf("again: %d %+v", status, got)
	}
	s.must("deploy", "--image", image, "--name", "stream", "-e", "greeting=hi")
	if f := s.function("stream"); f.Latest != 1 || f.Spec.Image != image {
		t.Errorf("latest %d, image %s", f.Latest, f.Spec.Image)
	}
	// A build argument is the value of an ARG line.
	files = pythonHTTP(t).files
	files["Dockerfile"] += "ARG GREETING=none\nENV greeting=$GREETING\n"
	args := tarOf(t, s.write(files), map[string]any{"image": image + "-args", "buildArgs": map[string]string{"GREETING": "$h \"i\""}})
	if status, got := s.remoteBuild(args, secret, false); status != http.StatusOK || got[0].Status != "success" {
		t.Fatalf("with a build argument: %d %+v", status, got)
	}
	s.must("deploy", "--image", image+"-args", "--name", "args")
	if status, text, _ := s.ask("args", "/", "gopher"); status != 201 || text != `POST / $h "i" GOPHER!` {
		t.Errorf("with a build argument: %d %q", status, text)
	}
}

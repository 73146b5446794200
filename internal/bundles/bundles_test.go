package bundles

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	qrcode "rouse.dev/rouse/internal/bundles/store/qrcode"
	"rouse.dev/rouse/internal/fn"
)

func load(t *testing.T) *Set {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryFunctionOfTheStoreIsWhole(t *testing.T) {
	s := load(t)
	if len(s.Store()) < 12 {
		t.Errorf("%d functions only", len(s.Store()))
	}
	for _, f := range s.Store() {
		if err := wellFormed(f.Icon); err != nil {
			t.Errorf("%s: its icon: %v", f.Name, err)
		}
		for _, e := range f.Examples {
			if _, err := regexp.Compile(e.Answer); err != nil || e.Answer == "" {
				t.Errorf("%s: an example's answer %q: %v", f.Name, e.Answer, err)
			}
		}
		if strings.HasSuffix(f.Title, ".") || !strings.HasSuffix(f.Description, ".") {
			t.Errorf("%s: %q, %q", f.Name, f.Title, f.Description)
		}
		ref, err := fn.ParseImage(f.Image)
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := s.Find(ref); !ok || b.Spec.Runtime != f.Runtime {
			t.Errorf("%s: %s stands for %+v", f.Name, f.Image, b)
		}
	}
}

// wellFormed reads an icon to its end: it must load nothing from elsewhere.
func wellFormed(svg []byte) error {
	if n := bytes.Count(svg, []byte("://")); n != 1 || !bytes.HasPrefix(svg, []byte(`<svg xmlns="http://www.w3.org/2000/svg"`)) {
		return errors.New("is no SVG that stands alone")
	}
	for dec := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestUserlandAnswersForAnyTag(t *testing.T) {
	s := load(t)
	for in, want := range map[string]bool{
		"functions/alpine:latest": true, "functions/alpine": true, "docker.io/functions/alpine:3.20": true, "ghcr.io/openfaas/alpine:latest": true,
		"alpine": false, "ghcr.io/openfaas/figlet:latest": false, "rouse.dev/store/none": false,
	} {
		ref, err := fn.ParseImage(in)
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := s.Find(ref); ok != want || ok && b.Spec.Runtime != "openfaas" {
			t.Errorf("%s: %+v, %v", in, b, ok)
		}
	}
}

// The sums are of codes that another encoder made the same, dot by dot.
func TestQRCodesAreThoseOfTheStandard(t *testing.T) {
	for text, want := range map[string]string{
		"hello":                        "4336bb67a926bf12",
		strings.Repeat("abcdefg ", 20): "aea896cb370f8a36",
		strings.Repeat("x", 900):       "4f601518c756d880",
		strings.Repeat("y1", 1150):     "65315c607ed7dcb4",
	} {
		w := httptest.NewRecorder()
		qrcode.Handle(w, httptest.NewRequest(http.MethodPost, "/?format=text", strings.NewReader(text)))
		sum := sha256.Sum256(w.Body.Bytes())
		if got := hex.EncodeToString(sum[:8]); got != want || w.Code != http.StatusOK {
			t.Errorf("%.9s… (%d): status %d, sum %s, want %s\n%.200s", text, len(text), w.Code, got, want, w.Body)
		}
	}
	for body, want := range map[string]int{"": http.StatusBadRequest, strings.Repeat("z", 2332): http.StatusRequestEntityTooLarge, strings.Repeat("z", 2331): http.StatusOK} {
		w := httptest.NewRecorder()
		qrcode.Handle(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%d bytes: status %d, want %d", len(body), w.Code, want)
		}
	}
}

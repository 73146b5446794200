package thumbnail

import (
	"image"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestHandleShrinks(t *testing.T) {
	f, err := os.Open("input.png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := httptest.NewRecorder()
	Handle(w, httptest.NewRequest("POST", "/?size=64", f))
	cfg, format, err := image.DecodeConfig(w.Body)
	if err != nil || format != "png" || cfg.Width != 64 || cfg.Height != 40 {
		t.Errorf("got a %s of %d × %d, %v", format, cfg.Width, cfg.Height, err)
	}
}

func TestHandleRefuses(t *testing.T) {
	for path, want := range map[string]int{"/": 415, "/?size=0": 400, "/?size=x": 400} {
		w := httptest.NewRecorder()
		Handle(w, httptest.NewRequest("POST", path, strings.NewReader("no picture")))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}

package yamlfield_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rouse.dev/rouse/internal/manifest/yamlfield"
)

func TestTheNearestFieldIsOneOfFewChanges(t *testing.T) {
	fields := map[string]int{"memory": 0, "image": 0, "ns": 0}
	for name, want := range map[string]string{
		"memroy": "memory", "imag": "image", "images": "image", "timeout": "", "": "", "xy": "", "nt": "ns",
		strings.Repeat("memory", 1000): "",
	} {
		if got := yamlfield.Nearest(name, fields, 2); got != want {
			t.Errorf("nearest to %.20q: %q, want %q", name, got, want)
		}
	}
}

func TestClippedTextIsShortAndWhole(t *testing.T) {
	if got := yamlfield.Clip("short"); got != "short" {
		t.Errorf("got %q", got)
	}
	if got := yamlfield.Clip("a" + strings.Repeat("é", 60)); len(got) > 60 || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
		t.Errorf("got %q, %d bytes", got, len(got))
	}
}

package native_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rouse.dev/rouse/api"
)

const helloPath = "/v1/namespaces/default/functions/hello"

func TestImagesAreSetListedDeployedAndRemoved(t *testing.T) {
	s := start(t)
	var src api.Source
	if err := json.Unmarshal([]byte(s.must(t, http.MethodPost, "/v1/sources", "bytes", http.StatusCreated)), &src); err != nil {
		t.Fatal(err)
	}
	var img api.Image
	body := fmt.Sprintf(`{"reference":"ghcr.io/me/shop:1","source":%q,"spec":{"runtime":"python","limits":{"memory":"64Mi"},"env":{"A":"1"}}}`, src.Digest)
	if err := json.Unmarshal([]byte(s.must(t, http.MethodPut, "/v1/images", body, http.StatusOK)), &img); err != nil {
		t.Fatal(err)
	}
	if img.Reference != "ghcr.io/me/shop:1" || img.Source != src.Digest || img.Spec.Limits.Memory != "64Mi" || img.From != "" {
		t.Errorf("set %+v", img)
	}
	answer := s.must(t, http.MethodPut, helloPath, `{"image":"ghcr.io/me/shop:1","spec":{"env":{"B":"2"}}}`, http.StatusOK)
	if !strings.Contains(answer, `"image":"ghcr.io/me/shop:1"`) || !strings.Contains(answer, `"A":"1"`) || !strings.Contains(answer, `"B":"2"`) {
		t.Errorf("deployed %s", answer)
	}
	s.must(t, http.MethodPut, "/v1/images", `{"reference":"copy","function":"hello","revision":1}`, http.StatusOK)
	var list api.ImageList
	if err := json.Unmarshal([]byte(s.must(t, http.MethodGet, "/v1/images", "", http.StatusOK)), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Images) != 2 || list.Images[0].Reference != "copy" || list.Images[0].From != "default/hello:1" || list.Images[0].Artifact == "" {
		t.Errorf("listed %+v", list)
	}
	s.must(t, http.MethodDelete, "/v1/images?reference=copy:latest", "", http.StatusNoContent)
	if e := s.fails(t, http.MethodDelete, "/v1/images?reference=copy", "", http.StatusNotFound); e.Hint == "" {
		t.Errorf("a second time: %+v", e)
	}
}

func TestMistakesOfImagesAreTold(t *testing.T) {
	s := start(t)
	for body, want := range map[string]string{
		`{"reference":"a"}`: "source: give a source or a function",
		`{"reference":"a","source":"x","spec":{"limits":{"memory":"much"}}}`:      "source:",
		`{"reference":"a b","function":"hello"}`:                                  "image:",
		`{"reference":"a","function":"hello","colour":"red"}`:                     "colour:",
		`{"reference":"a","source":"x","spec":{"runtime":"python","mode":false}}`: "spec.mode",
	} {
		if e := s.fails(t, http.MethodPut, "/v1/images", body, http.StatusBadRequest); !strings.Contains(told(e), want) {
			t.Errorf("%s: %s", body, told(e))
		}
	}
	s.fails(t, http.MethodPut, "/v1/images", `{"reference":"a","function":"nobody"}`, http.StatusNotFound)
	e := s.fails(t, http.MethodPut, helloPath, `{"image":"ghcr.io/who/knows","spec":{}}`, http.StatusBadRequest)
	if !strings.Contains(e.Message, "nothing on this server stands for ghcr.io/who/knows") || !strings.Contains(e.Hint, "rouse image alias") {
		t.Errorf("unknown: %+v", e)
	}
	e = s.fails(t, http.MethodPut, helloPath, `{"image":"a b","revision":1,"spec":{"scale":{"max":-1}}}`, http.StatusBadRequest)
	for _, want := range []string{"image:", "exactly one of", "scale.max"} {
		if !strings.Contains(told(e), want) {
			t.Errorf("%q is not told: %s", want, told(e))
		}
	}
}

// told is everything an error says.
func told(e *api.Error) string { return strings.Join(append(e.Mistakes, e.Message), "\n") }

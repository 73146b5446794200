package functionstore

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/bundles"
)

func start(t *testing.T) *httptest.Server {
	t.Helper()
	set, err := bundles.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(Handler(set.Store()))
	t.Cleanup(s.Close)
	return s
}

func fetch(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// TestListHasTheFieldsOfAStore reads the list as the world knows stores, by
// the names of the fields alone.
func TestListHasTheFieldsOfAStore(t *testing.T) {
	s := start(t)
	res, body := fetch(t, s.URL+"/store.json")
	if ct := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || ct != "application/json" {
		t.Fatalf("%d %s", res.StatusCode, ct)
	}
	var list struct {
		Version   string           `json:"version"`
		Functions []map[string]any `json:"functions"`
	}
	if err := json.Unmarshal(body, &list); err != nil || list.Version == "" || len(list.Functions) < 12 {
		t.Fatalf("%v: version %q, %d functions", err, list.Version, len(list.Functions))
	}
	known := map[string]bool{
		"title": true, "name": true, "description": true, "author": true, "icon": true, "images": true, "fprocess": true,
		"repo_url": true, "readOnlyRootFilesystem": true, "environment": true, "labels": true, "annotations": true,
	}
	for _, f := range list.Functions {
		for field := range f {
			if !known[field] {
				t.Errorf("%v: %s is no field of a store", f["name"], field)
			}
		}
		for _, field := range []string{"title", "name", "description", "author", "icon", "repo_url"} {
			if text, ok := f[field].(string); !ok || text == "" {
				t.Errorf("%v: %s is %v", f["name"], field, f[field])
			}
		}
		images, _ := f["images"].(map[string]any)
		for _, platform := range []string{"x86_64", "arm64", "armhf"} {
			if want := "rouse.dev/store/" + f["name"].(string) + ":latest"; images[platform] != want {
				t.Errorf("%v: image for %s is %v, want %s", f["name"], platform, images[platform], want)
			}
		}
		icon, _ := f["icon"].(string)
		if res, body := fetch(t, icon); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(string(body), "<svg ") {
			t.Errorf("%s: %d %s %.40q", icon, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
	}
}

func TestIconsLieWhereTheClientLooks(t *testing.T) {
	h := Handler([]bundles.Function{{Name: "x", Icon: []byte("<svg/>")}})
	r := httptest.NewRequest(http.MethodGet, "/store.json", nil)
	r.Host = "faas.example.com"
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"icon":"https://faas.example.com/store/icons/x.svg"`) {
		t.Errorf("got %s", w.Body)
	}
	for path, want := range map[string]int{"/store/icons/x.svg": 200, "/store/icons/y.svg": 404, "/store/icons/../x.svg": 404, "/store/icons/": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want && (want != 404 || w.Code != http.StatusTemporaryRedirect && w.Code != http.StatusMovedPermanently) {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/store.json", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

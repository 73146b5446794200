package native_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
)

const secretsPath = "/v1/namespaces/default/secrets"

func sealBody(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSecretsAreSetAndNeverShown(t *testing.T) {
	s := start(t)
	const marker = "hunter2-marker"
	said := s.must(t, http.MethodPost, secretsPath, sealBody(t, api.NewSecret{Name: "db.key", Value: []byte(marker)}), http.StatusNoContent)
	said += s.must(t, http.MethodPost, secretsPath, sealBody(t, api.NewSecret{Name: "a", Value: []byte{}}), http.StatusNoContent)
	said += s.must(t, http.MethodPut, secretsPath+"/a", sealBody(t, api.SecretValue{Value: []byte(marker)}), http.StatusNoContent)
	if v, ok := s.SecretValue("default", "a"); !ok || v != marker {
		t.Errorf("stored %q", v)
	}
	list := s.must(t, http.MethodGet, secretsPath, "", http.StatusOK)
	var got api.SecretList
	if err := json.Unmarshal([]byte(list), &got); err != nil {
		t.Fatal(err)
	}
	want := api.SecretList{Secrets: []api.Secret{
		{Name: "a", Namespace: "default", Created: nativetest.Epoch, Updated: nativetest.Epoch},
		{Name: "db.key", Namespace: "default", Created: nativetest.Epoch, Updated: nativetest.Epoch},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	said += list + s.must(t, http.MethodPost, secretsPath, sealBody(t, api.NewSecret{Name: "a", Value: []byte(marker)}), http.StatusConflict)
	said += s.must(t, http.MethodDelete, secretsPath+"/a", "", http.StatusNoContent)
	said += s.must(t, http.MethodDelete, secretsPath+"/a", "", http.StatusNotFound)
	said += s.must(t, http.MethodPut, secretsPath+"/a", sealBody(t, api.SecretValue{Value: []byte(marker)}), http.StatusNotFound)
	if strings.Contains(said, marker) || strings.Contains(said, base64.StdEncoding.EncodeToString([]byte(marker))) {
		t.Errorf("an answer holds the value: %s", said)
	}
	if empty := s.must(t, http.MethodGet, "/v1/namespaces/default/functions", "", http.StatusOK); strings.Contains(empty, "null") {
		t.Error(empty)
	}
}

func TestSecretRequestsThatCannotBe(t *testing.T) {
	s := start(t)
	const marker = "hunter2-marker"
	value := base64.StdEncoding.EncodeToString([]byte(marker))
	s.must(t, http.MethodPost, secretsPath, `{"name":"there","value":"`+value+`"}`, http.StatusNoContent)
	for name, c := range map[string]struct{ method, path, body, word string }{
		"no value":           {http.MethodPost, "", `{"name":"a"}`, "value: is missing"},
		"null":               {http.MethodPost, "", `{"name":"a","value":null}`, "value: is missing"},
		"not base64":         {http.MethodPost, "", `{"name":"a","value":"` + marker + `"}`, "base64"},
		"a list":             {http.MethodPost, "", `{"name":"a","value":[1,2]}`, "bytes in base64"},
		"a bad name":         {http.MethodPost, "", `{"name":"a/b","value":"` + value + `"}`, "name"},
		"an unknown field":   {http.MethodPost, "", `{"name":"a","value":"` + value + `","rawValue":"` + value + `"}`, "rawValue"},
		"emptied by mistake": {http.MethodPut, "/there", `{}`, "value: is missing"},
		"a bad path":         {http.MethodPut, "/There", `{"value":"` + value + `"}`, "secret"},
		"dots":               {http.MethodDelete, "/a..b", ``, "secret"},
	} {
		e := s.fails(t, c.method, secretsPath+c.path, c.body, http.StatusBadRequest)
		all := e.Message + e.Hint + strings.Join(e.Mistakes, " ")
		if !strings.Contains(all, c.word) || strings.Contains(all, marker) || strings.Contains(all, value) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if v, _ := s.SecretValue("default", "there"); v != marker {
		t.Errorf("a refused request changed it to %q", v)
	}
	s.fails(t, http.MethodGet, "/v1/namespaces/nowhere/secrets", "", http.StatusNotFound)
	largest := sealBody(t, api.NewSecret{Name: "large", Value: make([]byte, fn.MaxSecretValue)})
	s.must(t, http.MethodPost, secretsPath, largest, http.StatusNoContent)
	s.fails(t, http.MethodPost, secretsPath, sealBody(t, api.NewSecret{Name: "larger", Value: make([]byte, fn.MaxSecretValue+1)}), http.StatusRequestEntityTooLarge)
}

func TestAFunctionsSecretsAreNamesInItsSpec(t *testing.T) {
	s := start(t)
	s.must(t, http.MethodPost, secretsPath, `{"name":"a","value":"eA=="}`, http.StatusNoContent)
	var src api.Source
	if err := json.Unmarshal([]byte(s.must(t, http.MethodPost, "/v1/sources", "source", http.StatusCreated)), &src); err != nil {
		t.Fatal(err)
	}
	body := func(secrets string) string {
		return `{"source":"` + src.Digest + `","spec":{"runtime":"python","secrets":` + secrets + `}}`
	}
	e := s.fails(t, http.MethodPut, "/v1/namespaces/default/functions/f", body(`["x","a","y"]`), http.StatusBadRequest)
	if len(e.Mistakes) != 2 || !strings.Contains(e.Mistakes[1], "secret y") || !strings.Contains(e.Hint, "rouse secret create") {
		t.Errorf("%+v", e)
	}
	s.must(t, http.MethodPut, "/v1/namespaces/default/functions/f", body(`["a"]`), http.StatusOK)
	var f api.Function
	if err := json.Unmarshal([]byte(s.must(t, http.MethodGet, "/v1/namespaces/default/functions/f", "", http.StatusOK)), &f); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a"}, f.Spec.Secrets); d != "" {
		t.Error(d)
	}
}

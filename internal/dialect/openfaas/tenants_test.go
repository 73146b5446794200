package openfaas_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/fn"
)

// TestNamespacesThatContradictLeadNobodyAcross says one namespace in the body,
// another in the query and a third behind the name, in every order: whichever
// counts, an account must reach nothing where it may do nothing.
func TestNamespacesThatContradictLeadNobodyAcross(t *testing.T) {
	r := start(t)
	for _, name := range []string{"team", "other"} {
		if _, err := r.CreateNamespace(t.Context(), name, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	prey := fn.Ref{Namespace: "other", Name: "prey"}
	r.native(prey, fn.Spec{})
	if err := r.CreateSecret(t.Context(), "other", "prey", []byte("a")); err != nil {
		t.Fatal(err)
	}
	looks := func() (any, any) {
		v, err := r.Function(t.Context(), prey)
		if err != nil {
			t.Fatal(err)
		}
		secrets, err := r.Secrets(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		return v.Function, secrets
	}
	function, secrets := looks()
	places := []string{"", "team", "other", "openfaas-fn", "other/../team"}
	requests := 0
	for _, body := range places {
		for _, query := range places {
			for _, suffix := range places {
				name := "prey"
				if suffix != "" && suffix != "other/../team" {
					name += "." + suffix
				}
				text := fmt.Sprintf(`{"service":"prey","functionName":%q,"name":"prey","value":"b","image":"example.com/a","replicas":2,"namespace":%q,
					"status":"firing","alerts":[{"status":"firing","labels":{"function_name":%q}}]}`, name, body, name)
				for _, row := range openfaas.Table() {
					if !slices.Contains([]string{"/system/functions", "/system/function/{name}", "/system/scale-function/{name}", "/system/logs", "/system/alert", "/system/secrets"}, row.Path) ||
						row.Method == http.MethodPost && row.Path == "/system/functions" {
						continue
					}
					path := row.Path
					if i := len(path) - len("{name}"); path[i:] == "{name}" {
						path = path[:i] + name
					}
					resp, got := r.as("team", row.Method, path+"?name="+name+"&namespace="+query, text)
					requests++
					effective := slices.Contains([]string{"/system/function/{name}", "/system/logs", "/system/scale-function/{name}"}, row.Path)
					if effective && resp.StatusCode < 300 {
						t.Errorf("%s %s with body %q: %d %s", row.Method, path+"?namespace="+query, body, resp.StatusCode, got)
					}
				}
			}
		}
	}
	nowFunction, nowSecrets := looks()
	if diff := cmp.Diff(function, nowFunction); diff != "" {
		t.Error("the other team's function:", diff)
	}
	if diff := cmp.Diff(secrets, nowSecrets); diff != "" {
		t.Error("the other team's secret:", diff)
	}
	if requests < 1000 {
		t.Errorf("only %d requests", requests)
	}
}

package openfaas_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/fn"
)

// TestAccessMatrix sends every request of the table as everybody, about a
// namespace they have to do with and one they have not, and compares what gets
// through with the roles, spelt out here a second time.
func TestAccessMatrix(t *testing.T) {
	r := start(t)
	for _, name := range []string{"team", "other"} {
		if _, err := r.CreateNamespace(t.Context(), name, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	people := map[string]struct{ team, other, server auth.Access }{ // server: what no single namespace holds
		"eye":   {auth.Read, auth.Read, auth.Read},
		"ci":    {auth.Write, auth.Write, auth.Write},
		"team":  {auth.Write, auth.Public, auth.Write},
		"boss":  {auth.Admin, auth.Public, auth.Write},
		"admin": {auth.Admin, auth.Admin, auth.Admin},
	}
	requests := 0
	for _, row := range openfaas.Table() {
		for _, namespace := range []string{"team", "other"} {
			path := strings.NewReplacer("{$}", "", "{name}", "nothing", "{namespace}", namespace).Replace(row.Path)
			body := fmt.Sprintf(`{"name":"x","service":"nothing","functionName":"nothing","image":"example.com/a","replicas":0,"namespace":%q,
				"status":"firing","alerts":[{"status":"firing","labels":{"function_name":"nothing.%s"}}]}`, namespace, namespace)
			if strings.Contains(row.Path, "{namespace}") {
				body = "{}"
			}
			for name, can := range people {
				may := can.other
				if namespace == "team" {
					may = can.team
				}
				if aboutServer(row) {
					may = can.server
				}
				requests++
				resp, got := r.as(name, row.Method, path+"?name=nothing&namespace="+namespace, body)
				refused := resp.StatusCode == http.StatusForbidden || row.Path == "/system/alert" && strings.Contains(got, "may not do this")
				if allowed := may >= row.Access; allowed == refused {
					t.Errorf("%s %s as %s: status %d, want allowed %v: %s", row.Method, path, name, resp.StatusCode, allowed, got)
				}
			}
			if resp, _ := r.as("", row.Method, path, body); (resp.StatusCode == http.StatusUnauthorized) != (row.Access != auth.Public) {
				t.Errorf("%s %s as a stranger: %d", row.Method, path, resp.StatusCode)
			}
		}
	}
	if requests < 200 {
		t.Errorf("only %d requests made: is the table empty?", requests)
	}
}

// aboutServer says whether a route is about no single namespace.
func aboutServer(row openfaas.Row) bool {
	return slices.Contains([]string{
		"/system/namespaces", "/system/namespace", "/system/namespace/{$}", "/system/info", "/system/telemetry", "/ui/", "/healthz", "/metrics", "/{$}",
	}, row.Path)
}

func TestEveryActionIsOneThatPoliciesKnow(t *testing.T) {
	known := strings.Fields(`Function:Get Function:Create Function:Update Function:Delete Function:List Function:Logs Function:Scale
		Secret:List Secret:Create Secret:Update Secret:Delete
		Namespace:List Namespace:Get Namespace:Create Namespace:Update Namespace:Delete System:Info`)
	for _, row := range openfaas.Table() {
		if (row.Access == auth.Public) != (row.Action == "") || row.Action != "" && !slices.Contains(known, row.Action) {
			t.Errorf("%s %s has action %q", row.Method, row.Path, row.Action)
		}
	}
}

func TestPagesOfOtherOriginsMayNotAct(t *testing.T) {
	r := start(t)
	r.native(fn.Ref{Namespace: "default", Name: "f"}, fn.Spec{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/system/scale-function/f", strings.NewReader(`{"replicas":0}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", r.password("admin"))
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestOwnsWhatNoOtherDialectAnswers(t *testing.T) {
	public, private := openfaas.New(openfaas.Config{Public: true}), openfaas.New(openfaas.Config{})
	for _, row := range []struct {
		method, path, accept string
		public, private      bool
	}{
		{"GET", "/system/functions", "", true, true}, {"POST", "/system/nothing", "", true, true},
		{"GET", "/ui", "", true, true}, {"GET", "/ui/x", "", true, true}, {"GET", "/uid", "", false, false},
		{"HEAD", "/healthz", "", true, true}, {"GET", "/healthz", "", false, false},
		{"GET", "/metrics", "", true, false}, {"POST", "/metrics", "", false, false},
		{"GET", "/", "text/html,*/*", true, true}, {"GET", "/", "*/*", false, false}, {"POST", "/", "text/html", false, false},
		{"GET", "/v1/functions", "text/html", false, false}, {"GET", "/systems", "", false, false},
	} {
		req := httptest.NewRequest(row.method, row.path, nil)
		req.Header.Set("Accept", row.accept)
		if got := [2]bool{public.Owns(req), private.Owns(req)}; got != [2]bool{row.public, row.private} {
			t.Errorf("%s %s: %v", row.method, row.path, got)
		}
	}
}

package openfaas_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openfaas/faas-provider/logs"
	"github.com/openfaas/faas-provider/types"
)

// client makes the requests that OpenFaaS's Go client makes, with the types of
// OpenFaaS's own module, and takes for a success what it takes for one.
type client struct{ *rig }

func (c client) send(method, path string, in any) int {
	c.t.Helper()
	text := ""
	if in != nil {
		text = body(c.t, in)
	}
	resp, got := c.as("admin", method, path, text)
	if resp.StatusCode >= 400 && (got == "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain")) {
		c.t.Errorf("%s %s: %d without a text: %q", method, path, resp.StatusCode, got)
	}
	return resp.StatusCode
}

func (c client) ok(method, path string, in any) {
	c.t.Helper()
	switch status := c.send(method, path, in); status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted:
	default:
		c.t.Errorf("%s %s: %d", method, path, status)
	}
}

func get[T any](c client, path string) T {
	c.t.Helper()
	var out T
	if err := json.Unmarshal([]byte(c.must("GET", path, "", 200)), &out); err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
	return out
}

func in(namespace string) string { return "?" + url.Values{"namespace": {namespace}}.Encode() }

// TestClientDrivesTheWholeAPI goes through everything a client of OpenFaaS
// does, in a namespace of its own.
func TestClientDrivesTheWholeAPI(t *testing.T) {
	c := client{start(t)}
	ns := types.FunctionNamespace{Name: "staging", Labels: map[string]string{"openfaas": "1", "tier": "test"}, Annotations: map[string]string{"openfaas": "1"}}
	c.ok("POST", "/system/namespace/", ns)
	if diff := cmp.Diff([]string{"openfaas-fn", "staging"}, get[[]string](c, "/system/namespaces")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(ns, get[types.FunctionNamespace](c, "/system/namespace/staging")); diff != "" {
		t.Error(diff)
	}
	ns.Labels["tier"] = "other"
	c.ok("PUT", "/system/namespace/staging", ns)
	if got := get[types.FunctionNamespace](c, "/system/namespace/staging"); got.Labels["tier"] != "other" {
		t.Errorf("%+v", got)
	}

	c.ok("POST", "/system/secrets", types.Secret{Name: "token", Namespace: "staging", Value: "x"})
	c.ok("PUT", "/system/secrets", types.Secret{Name: "token", Namespace: "staging", Value: "y"})
	if diff := cmp.Diff([]types.Secret{{Name: "token", Namespace: "staging"}}, get[[]types.Secret](c, "/system/secrets"+in("staging"))); diff != "" {
		t.Error(diff)
	}
	if got := get[[]types.Secret](c, "/system/secrets"); len(got) != 0 {
		t.Errorf("secrets of the default namespace: %+v", got)
	}
	c.drive()
	c.ok("DELETE", "/system/secrets", types.Secret{Name: "token", Namespace: "staging"})
	c.ok("DELETE", "/system/namespace/staging", types.FunctionNamespace{Name: "staging", Labels: map[string]string{"openfaas": "1"}})
	if got := get[[]string](c, "/system/namespaces"); len(got) != 1 {
		t.Errorf("namespaces left: %v", got)
	}
}

// drive deploys, scales and removes a function in staging.
func (c client) drive() {
	c.t.Helper()
	d := types.FunctionDeployment{
		Service: "hello", Image: "example.com/hello:1", Namespace: "staging", Secrets: []string{"token"},
		EnvVars: map[string]string{"PRINT": "good morning"}, Labels: &map[string]string{}, Annotations: &map[string]string{},
	}
	if status := c.send("PUT", "/system/functions", d); status != http.StatusNotFound {
		c.t.Errorf("PUT of what is not there: %d", status)
	}
	c.ok("POST", "/system/functions", d)
	c.ok("PUT", "/system/functions", d)
	all := get[[]types.FunctionStatus](c, "/system/functions"+in("staging"))
	if len(all) != 1 || all[0].Labels == nil || all[0].Annotations == nil || (*all[0].Labels)["faas_function"] != "hello" || all[0].Limits != nil || all[0].Requests != nil {
		c.t.Errorf("%+v", all)
	}
	if got := get[[]types.FunctionStatus](c, "/system/functions"); len(got) != 0 {
		c.t.Errorf("functions of the default namespace: %+v", got)
	}
	var m logs.Message
	if err := json.Unmarshal([]byte(c.must("GET", "/system/logs?follow=0&name=hello&namespace=staging&tail=1", "", 200)), &m); err != nil || m.Text != "good morning\n" {
		c.t.Errorf("log %+v, %v", m, err)
	}
	one := "/system/function/hello" + in("staging")
	for _, n := range []uint64{3, 0, 1} {
		c.ok("POST", "/system/scale-function/hello", types.ScaleServiceRequest{ServiceName: "hello", Replicas: n, Namespace: "staging"})
		c.until("it is scaled", func() bool {
			s := get[types.FunctionStatus](c, one)
			return s.Replicas == n && s.AvailableReplicas == n
		})
	}
	if s := get[types.FunctionStatus](c, one+"&usage=1"); s.Usage == nil || s.Usage.TotalMemoryBytes != 1<<20 {
		c.t.Errorf("usage %+v", s.Usage)
	}
	c.ok("DELETE", "/system/functions", types.DeleteFunctionRequest{FunctionName: "hello", Namespace: "staging"})
	if status := c.send("GET", one, nil); status != http.StatusNotFound {
		c.t.Errorf("GET of what was removed: %d", status)
	}
}

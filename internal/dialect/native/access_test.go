package native_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/dialect/native"
)

// TestAccessMatrix sends every request of the table as everybody and compares
// what gets through with the roles, spelt out here a second time.
func TestAccessMatrix(t *testing.T) {
	s := start(t)
	// Role in team-a, in any other namespace, and in none in particular.
	people := map[string]struct{ team, other, anywhere auth.Access }{
		"eye":   {auth.Read, auth.Read, auth.Read},
		"ci":    {auth.Write, auth.Write, auth.Write},
		"team":  {auth.Write, auth.Public, auth.Write},
		"boss":  {auth.Admin, auth.Public, auth.Write}, // administers team-a, not the server
		"admin": {auth.Admin, auth.Admin, auth.Admin},
	}
	rows, requests := native.Table(), 0
	for _, row := range rows {
		for _, namespace := range []string{"team-a", "other"} {
			path := fill(row.Path, namespace)
			for name, can := range people {
				may := can.anywhere
				switch {
				case !strings.Contains(row.Path, "{namespace}"):
				case namespace == "team-a":
					may = can.team
				default:
					may = can.other
				}
				requests++
				status := s.status(t, row.Method, path, name, password(t, s.Dir, name))
				if got, want := status != http.StatusForbidden && status != http.StatusUnauthorized, may >= row.Access; got != want {
					t.Errorf("%s %s as %s: status %d, want allowed %v", row.Method, path, name, status, want)
				}
			}
			if status := s.status(t, row.Method, path, "", ""); (status != http.StatusUnauthorized) != (row.Access == auth.Public) {
				t.Errorf("%s %s as a stranger: status %d", row.Method, path, status)
			}
		}
	}
	if requests < 200 {
		t.Errorf("only %d requests made: is the table empty?", requests)
	}
}

func TestWrongPasswordIsRefusedOnEveryRouteButThePublicOnes(t *testing.T) {
	for _, row := range native.Table() {
		s := start(t) // fresh, because wrong passwords are damped
		status := s.status(t, row.Method, fill(row.Path, "default"), "admin", "wrong password")
		if (status == http.StatusUnauthorized) != (row.Access != auth.Public) {
			t.Errorf("%s %s: status %d", row.Method, row.Path, status)
		}
	}
}

func TestOtherWebSitesCannotUseABrowsersPassword(t *testing.T) {
	s := start(t)
	for _, row := range native.Table() {
		if row.Method == http.MethodGet {
			continue
		}
		req := s.request(t, row.Method, fill(row.Path, "default"), "{}")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Origin", "https://elsewhere.example")
		resp, body := s.do(t, req)
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "another origin") {
			t.Errorf("%s %s: %d %s", row.Method, row.Path, resp.StatusCode, body)
		}
	}
}

func TestListsShowOnlyWhatTheAccountMayRead(t *testing.T) {
	s := start(t)
	s.must(t, "POST", "/v1/namespaces", `{"name":"team-a"}`, 201)
	s.deploy(t, "default", "one", `"runtime":"python"`)
	s.deploy(t, "team-a", "two", `"runtime":"python"`)
	for path, want := range map[string]string{"/v1/functions": "two", "/v1/namespaces": "team-a"} {
		req := s.request(t, "GET", path, "")
		req.SetBasicAuth("team", password(t, s.Dir, "team"))
		resp, body := s.do(t, req)
		if resp.StatusCode != 200 || strings.Count(body, `"created"`) != 1 || !strings.Contains(body, fmt.Sprintf(`"name":%q`, want)) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// fill puts values into the wildcards of a path.
func fill(path, namespace string) string {
	return strings.NewReplacer(
		"{namespace}", namespace, "{name}", "f", "{secret}", "s", "{digest}", "sha256:"+strings.Repeat("0", 64)).Replace(path)
}

func password(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, "passwords", name)
	if name == auth.AdminName {
		path = auth.PasswordFile(dir)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

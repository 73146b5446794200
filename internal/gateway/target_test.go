package gateway

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func TestTargetsNameFunctions(t *testing.T) {
	s := New(Config{Domain: "Fn.Example.", Aliases: map[string]string{"openfaas-fn": "default"}})
	for _, tc := range []struct{ host, path, want string }{
		{"h", "/function/f", "default/f "},
		{"h", "/function/f/", "default/f /"},
		{"h", "/function/f?q", "default/f ?q"},
		{"h", "/function/f.ns/a/../b?c", "ns/f /a/../b?c"},
		{"h", "/function/f.openfaas-fn/x", "default/f /x"},
		{"f.openfaas-fn.fn.example", "/x", "default/f /x"},
		{"h", "/function/f/function/g", "default/f /function/g"},
		{"f.ns.fn.example", "/x", "ns/f /x"},
		{"F.NS.FN.example:80", "/function/g", "ns/f /function/g"},
		{"f.ns.fn.example.", "/", "ns/f /"},
		{"f.fn.example", "/", "bad"},
		{"a.f.ns.fn.example", "/", "bad"},
		{".fn.example", "/", "api"},
		{"xfn.example", "/", "api"},
		{"fn.example", "/", "api"},
		{"fn.example", "/function/f", "default/f "},
		{"h", "/functions/f", "api"},
		{"h", "//function/f", "api"},
		{"h", "/Function/f", "api"},
		{"h", "/x/../function/f", "api"},
		{"h", "/function", "api"},
		{"h", "/function/", "bad"},
		{"h", "/function//f", "bad"},
		{"h", "/function/..", "bad"},
		{"h", "/function/%66", "bad"},
		{"h", "/function/f%2Fx", "bad"},
		{"h", "/function/f.", "bad"},
		{"h", "/function/f.a.b", "bad"},
		{"h", "/function/F", "bad"},
		{"h", "/function/f;x", "bad"},
		{"h", "/function/f\\x", "bad"},
	} {
		if got := resolved(s, tc.host, tc.path); got != tc.want {
			t.Errorf("host %s path %s: %s, want %s", tc.host, tc.path, got, tc.want)
		}
	}
}

func resolved(s *Server, host, path string) string {
	tg, ours, bad := s.resolve([]byte(host), []byte(path))
	switch {
	case !ours:
		return "api"
	case bad:
		return "bad"
	}
	return fmt.Sprintf("%s/%s %s", tg.namespace, tg.name, tg.path)
}

func FuzzTarget(f *testing.F) {
	f.Add("h", "/function/f.ns/a?b")
	f.Add("f.ns.fn.example:80", "/x")
	f.Add("h", "/function/%2e%2e/f")
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	s := New(Config{Domain: "fn.example"})
	f.Fuzz(func(t *testing.T, host, path string) {
		tg, ours, bad := s.resolve([]byte(host), []byte(path))
		if !ours || bad {
			return
		}
		ns, name := string(tg.namespace), string(tg.name)
		if !label.MatchString(ns) || !label.MatchString(name) {
			t.Fatalf("host %q path %q names %q/%q", host, path, ns, name)
		}
		byPath := path == prefix+name+"."+ns+string(tg.path) || ns == fn.DefaultNamespace && path == prefix+name+string(tg.path)
		byHost := path == string(tg.path) && strings.HasPrefix(strings.ToLower(host), name+"."+ns+".fn.example")
		if !byPath && !byHost {
			t.Errorf("host %q path %q became %s/%s %q", host, path, ns, name, tg.path)
		}
	})
}

package gateway

import (
	"bytes"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// prefix is where functions are called by path.
const prefix = "/function/"

// target is the function a request names: the one reading of its path and
// host, used by everything that follows. Its slices point into the request.
type target struct {
	namespace, name []byte
	path            []byte // for the function: as sent, the prefix cut off; begins with '/', '?' or is empty
	byPath          bool   // named by the path, not by the host
}

var defaultNamespace = []byte(fn.DefaultNamespace)

// resolve finds out which function a request calls. ours is false if it is
// not a call of a function at all; bad is true if it is one that cannot name
// any function.
func (s *Server) resolve(host, path []byte) (t target, ours, bad bool) {
	if label, ok := s.subdomain(host); ok {
		t.path = path
		t.name, t.namespace, ok = bytes.Cut(label, []byte{'.'})
		bad = !ok || !isLabel(t.name) || !isLabel(t.namespace)
		t.namespace = s.canonical(t.namespace)
		return t, true, bad
	}
	if len(path) < len(prefix) || string(path[:len(prefix)]) != prefix {
		return t, false, false
	}
	rest := path[len(prefix):]
	end := 0
	for end < len(rest) && rest[end] != '/' && rest[end] != '?' {
		end++
	}
	name, namespace, dotted := bytes.Cut(rest[:end], []byte{'.'})
	if !dotted {
		namespace = defaultNamespace
	}
	t = target{namespace: s.canonical(namespace), name: name, path: rest[end:], byPath: true}
	return t, true, !isLabel(name) || !isLabel(namespace)
}

// canonical is the namespace that a name of one means.
func (s *Server) canonical(namespace []byte) []byte {
	if to, ok := s.cfg.Aliases[string(namespace)]; ok {
		return []byte(to)
	}
	return namespace
}

// subdomain returns what stands before the configured domain in a Host field.
// Host names have no case; the labels before it are compared as they are, so
// a host in upper case is lowered first.
func (s *Server) subdomain(host []byte) (label []byte, ok bool) {
	n := len(s.domain)
	if n == 0 || len(host) <= n {
		return nil, false
	}
	if i := bytes.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	host = bytes.TrimSuffix(host, []byte{'.'})
	at := len(host) - n
	if at <= 0 || !wire.EqualFold(host[at:], s.domain) {
		return nil, false
	}
	label = host[:at]
	for _, c := range label {
		if 'A' <= c && c <= 'Z' {
			return bytes.ToLower(label), true
		}
	}
	return label, true
}

// isLabel reports whether b is an RFC 1123 label in lower case: what names of
// functions and namespaces are made of. Nothing else is looked up, so no
// encoding can make two names meet.
func isLabel(b []byte) bool {
	if len(b) == 0 || len(b) > 63 || b[0] == '-' || b[len(b)-1] == '-' {
		return false
	}
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

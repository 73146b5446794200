package watchdog

import (
	"slices"
	"strconv"
	"strings"
)

// baseEnv is the environment every run of the program starts from: the
// instance's own without what describes our socket.
func baseEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		return strings.HasPrefix(pair, "LISTEN_") || strings.HasPrefix(pair, "Http_") || strings.HasPrefix(pair, "CallId=")
	})
}

// requestEnv adds one request's variables. A header whose name could not be
// told from another's after the mapping, because it has anything but letters,
// digits and '-', is left out.
func (c *call) requestEnv() []string {
	r := c.r
	env := append(slices.Clip(c.env),
		"Http_Method="+r.Method, "Http_Path="+r.URL.Path, "Http_Query="+r.URL.RawQuery, "Http_Host="+r.Host)
	if id := c.id(); id != "" {
		env = append(env, "CallId="+id)
	}
	if r.ContentLength > 0 && r.Header.Get("Content-Length") == "" {
		env = append(env, "Http_Content_Length="+strconv.FormatInt(r.ContentLength, 10))
	}
	for name, values := range r.Header {
		if key, ok := variable(name); ok {
			env = append(env, key+"="+strings.Join(values, ", "))
		}
	}
	return slices.DeleteFunc(env, func(pair string) bool { return strings.ContainsRune(pair, 0) })
}

// variable maps "Content-Type" to "Http_Content_Type". Names that the
// platform's own variables have are not for callers to set.
func variable(header string) (string, bool) {
	for i := range len(header) {
		c := header[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return "", false
		}
	}
	switch header {
	case "Method", "Path", "Query", "Host", "X-Rouse-Deadline":
		return "", false
	}
	return "Http_" + strings.ReplaceAll(header, "-", "_"), true
}

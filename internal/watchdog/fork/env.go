package fork

import (
	"slices"
	"strings"
)

// BaseEnv is the environment every program starts from: the instance's own
// without what describes our socket, and without what could be taken for a
// request's.
func BaseEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		return strings.HasPrefix(pair, "LISTEN_") || strings.HasPrefix(pair, "Http_") || strings.HasPrefix(pair, "CallId=")
	})
}

// Variable maps "Content-Type" to "Http_Content_Type". The prefix keeps
// callers away from every other variable: "Proxy" cannot become HTTP_PROXY. It
// refuses the names that the platform's own variables have, and those that
// could not be told from another header's after the mapping, because they have
// anything but letters, digits and '-'.
func Variable(header string) (string, bool) {
	for i := range len(header) {
		c := header[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return "", false
		}
	}
	switch header {
	case "", "Method", "Path", "Query", "Host", "Contentlength", "Transfer-Encoding", "X-Rouse-Deadline":
		return "", false
	}
	return "Http_" + strings.ReplaceAll(header, "-", "_"), true
}

// WithoutNUL takes out what no program can be given.
func WithoutNUL(env []string) []string {
	return slices.DeleteFunc(env, func(pair string) bool { return strings.ContainsRune(pair, 0) })
}

package async

import (
	"net/http"
	"strings"
)

// Paths and field values are bytes, JSON is text. latin reads each byte as the
// character of that number (ISO 8859-1), so that all of them come back.
func latin(s string) string {
	if ascii(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// bytesOf undoes latin.
func bytesOf(s string) string {
	if ascii(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func latinHeader(h http.Header) http.Header   { return mapHeader(h, latin) }
func bytesOfHeader(h http.Header) http.Header { return mapHeader(h, bytesOf) }

// mapHeader changes the values of a header, which the caller owns.
func mapHeader(h http.Header, f func(string) string) http.Header {
	for _, values := range h {
		for i, v := range values {
			values[i] = f(v)
		}
	}
	return h
}

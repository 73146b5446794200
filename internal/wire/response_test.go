package wire

import (
	"fmt"
	"testing"
)

func TestResponsesAreFramedAsTheirHeadSays(t *testing.T) {
	for name, tc := range map[string]struct {
		in       string
		bodyless bool
		want     string // "" means refused
	}{
		"known length":           {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, "200 OK 1 5 true"},
		"no length":              {"HTTP/1.1 200 OK\r\n\r\n", false, "200 OK 3 -1 true"},
		"chunked":                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, "200 OK 2 -1 true"},
		"empty":                  {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "200 OK 0 0 true"},
		"HEAD":                   {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, "200 OK 0 5 true"},
		"204":                    {"HTTP/1.1 204 No Content\r\n\r\n", false, "204 No Content 0 -1 true"},
		"304 with a length":      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, "304 Not Modified 0 5 true"},
		"interim":                {"HTTP/1.1 103 Early Hints\r\n\r\n", false, "103 Early Hints 0 -1 true"},
		"no reason":              {"HTTP/1.1 299\r\n\r\n", false, "299  3 -1 true"},
		"empty reason":           {"HTTP/1.1 299 \r\n\r\n", false, "299  3 -1 true"},
		"old":                    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, "200 OK 1 5 false"},
		"closing":                {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", false, "200 OK 1 5 false"},
		"length and chunked":     {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false, ""},
		"two lengths":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false, ""},
		"bad length":             {"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", false, ""},
		"unknown coding":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, ""},
		"old and chunked":        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, ""},
		"not HTTP":               {"hello", false, ""},
		"HTTP/2":                 {"HTTP/2.0 200 OK\r\n\r\n", false, ""},
		"short status":           {"HTTP/1.1 20 OK\r\n\r\n", false, ""},
		"long status":            {"HTTP/1.1 2000 OK\r\n\r\n", false, ""},
		"status below 100":       {"HTTP/1.1 099 OK\r\n\r\n", false, ""},
		"control in reason":      {"HTTP/1.1 200 O\x01K\r\n\r\n", false, ""},
		"bare LF":                {"HTTP/1.1 200 OK\nContent-Length: 5\n\n", false, ""},
		"folded":                 {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", false, ""},
		"space before the colon": {"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var r Response
			r.Reset()
			n, err := r.Parse([]byte(tc.in), tc.bodyless)
			got := fmt.Sprintf("%d %s %d %d %v", r.Status, r.Reason, r.Framing, r.Length, r.Persistent())
			switch {
			case tc.want == "" && err == nil:
				t.Errorf("accepted as %s", got)
			case tc.want != "" && (err != nil || n != len(tc.in) || got != tc.want):
				t.Errorf("got %s (%d bytes, %v), want %s", got, n, err, tc.want)
			}
		})
	}
}

package fork

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinesAreCutOrWrapped(t *testing.T) {
	for _, c := range []struct {
		in   string // pieces, separated by |
		max  int
		wrap bool
		want []string
	}{
		{"a\nb\n", 10, false, []string{"a", "b"}},
		{"a|b|\nc", 10, false, []string{"ab", "c"}},
		{"\n\n", 10, true, []string{"", ""}},
		{"abcdef\ng\n", 4, false, []string{"abcd", "g"}},
		{"abc|def|ghi\nj\n", 4, false, []string{"abcd", "j"}},
		{"abcdef\ng\n", 4, true, []string{"abcd", "ef", "g"}},
		{"abcd\ng\n", 4, true, []string{"abcd", "g"}},
		{"abcdefghij", 4, true, []string{"abcd", "efgh", "ij"}},
		{"", 4, true, nil},
	} {
		var got []string
		l := Lines{Max: c.max, Wrap: c.wrap, Emit: func(line string) { got = append(got, line) }}
		for piece := range strings.SplitSeq(c.in, "|") {
			if n, err := l.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Errorf("%q: Write returned %d, %v", piece, n, err)
			}
		}
		l.Flush()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q, %d, %v: %s", c.in, c.max, c.wrap, diff)
		}
	}
}

func FuzzVariablesOfHeadersStayApart(f *testing.F) {
	f.Add("Proxy", "X-Proxy")
	f.Add("X_A", "X-A")
	f.Add("Method", "M")
	f.Fuzz(func(t *testing.T, a, b string) {
		va, oka := Variable(a)
		vb, okb := Variable(b)
		if oka && (!strings.HasPrefix(va, "Http_") || strings.ContainsAny(va, "=\x00\n") || slices.Contains([]string{"Http_Method", "Http_Path", "Http_Query", "Http_Host"}, va)) {
			t.Errorf("%q became %q", a, va)
		}
		if oka && okb && a != b && va == vb {
			t.Errorf("%q and %q both became %q", a, b, va)
		}
	})
}

func TestTheBaseEnvironmentHasNothingOfRequests(t *testing.T) {
	in := []string{"PATH=/bin", "LISTEN_FDS=1", "Http_Method=GET", "CallId=1", "HTTP_PROXY=http://p", "http_proxy=x"}
	if got := BaseEnv(in); !slices.Equal(got, []string{"PATH=/bin", "HTTP_PROXY=http://p", "http_proxy=x"}) {
		t.Errorf("got %q", got)
	}
	if got := WithoutNUL([]string{"A=1", "B=\x00", "C=3"}); !slices.Equal(got, []string{"A=1", "C=3"}) {
		t.Errorf("got %q", got)
	}
}

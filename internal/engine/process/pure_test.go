package process

import (
	"slices"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func TestReplacePath(t *testing.T) {
	for _, tc := range [][2]string{
		{"/function", "/srv/a"},
		{"/function/x", "/srv/a/x"},
		{"/functions", "/functions"},
		{"/my/function", "/my/function"},
		{"A=/function/lib:/function", "A=/srv/a/lib:/srv/a"},
		{"--dir=/function,/function/x", "--dir=/srv/a,/srv/a/x"},
		{"/function/function", "/srv/a/function"},
		{"", ""},
	} {
		if got := replacePath(tc[0], "/function", "/srv/a"); got != tc[1] {
			t.Errorf("%q: %q, want %q", tc[0], got, tc[1])
		}
	}
}

func TestParseStat(t *testing.T) {
	line := "42 (a) b (c) S 7 42 41 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 3 0 99887 10000 555 18446744073709551615 1 1"
	s, ok := parseStat(line)
	want := procStat{state: 'S', parent: 7, session: 41, cpu: 200 * tick, threads: 3, start: "99887", residentPages: 555}
	if !ok || s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	for _, bad := range []string{"", "42", "42 (x", "42 (x) S 1"} {
		if _, ok := parseStat(bad); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) S 7 42 41 0 -1 0 1 2 3 4 150 50 7 8 20 0 3 0 99887 10000 555")
	f.Fuzz(func(t *testing.T, s string) {
		if st, ok := parseStat(s); ok && st.start == "" {
			t.Error("no start time")
		}
	})
}

func TestEnvironIsWholeAndSorted(t *testing.T) {
	s := &engine.Spec{Env: map[string]string{"B": "2", "A": "1", "PORT": "99", "LISTEN_FDS": "9"}}
	for listen, want := range map[fn.Listen]string{
		fn.ListenNone:   "A=1 B=2 HOME=/tmp PATH=/usr/local/bin:/usr/bin:/bin PORT=99 TMPDIR=/tmp",
		fn.ListenPort:   "A=1 B=2 HOME=/tmp PATH=/usr/local/bin:/usr/bin:/bin PORT=8080 TMPDIR=/tmp",
		fn.ListenSocket: "A=1 B=2 HOME=/tmp LISTEN_FDNAMES=http LISTEN_FDS=1 LISTEN_PID=1 PATH=/usr/local/bin:/usr/bin:/bin TMPDIR=/tmp",
	} {
		s.Program.Listen = listen
		if got := strings.Join(environ(s), " "); got != want {
			t.Errorf("%s: %q, want %q", listen, got, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	for name, tc := range map[string]struct {
		name string
		env  []string
		want []string
	}{
		"default":       {"x", nil, []string{"/usr/local/bin/x", "/usr/bin/x", "/bin/x"}},
		"path":          {"./x", []string{"PATH=/a"}, []string{"./x"}},
		"own PATH":      {"x", []string{"PATH=/a:relative::/b/"}, []string{"/a/x", "/b/x"}},
		"useless PATH":  {"x", []string{"PATH="}, []string{"/usr/bin/x"}},
		"absolute name": {"/x", nil, []string{"/x"}},
	} {
		if got := candidates(tc.name, tc.env); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{64 << 20: "64Mi", 1 << 30: "1Gi", 1500 << 10: "1500Ki", 1000: "1000"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

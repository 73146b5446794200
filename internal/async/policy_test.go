package async

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestAnnotationsAreCheckedWhenTheyAreDeployed(t *testing.T) {
	for key, values := range map[string]map[string]bool{
		QueueAnnotation:    {"slow": true, "A.b_c-1": true, "": false, "a/b": false, "a b": false, strings.Repeat("x", 64): false},
		AttemptsAnnotation: {"0": true, "100": true, " 5 ": true, "-1": false, "1001": false, "many": false, "": false},
		CodesAnnotation:    {"500": true, "408, 429,503": true, "": true, "99": false, "600": false, "5xx": false},
		MinWaitAnnotation:  {"0s": true, "10s": true, "1h": true, "10": false, "-1s": false, "25h": false},
		MaxWaitAnnotation:  {"2m": true, "soon": false},
		"com.openfaas.x":   {"anything": true},
	} {
		for value, ok := range values {
			if err := Validate(map[string]string{key: value}); (err == nil) != ok {
				t.Errorf("%s=%q: %v", key, value, err)
			}
		}
	}
	err := Validate(map[string]string{QueueAnnotation: "/", AttemptsAnnotation: "x", CodesAnnotation: "x", MinWaitAnnotation: "x", MaxWaitAnnotation: "x"})
	if n := len(fn.MistakesOf(err)); n != 5 {
		t.Errorf("%d mistakes of 5 are told: %v", n, err)
	}
}

func TestWaitsGrowUpToTheLongest(t *testing.T) {
	r := DefaultRetry()
	for attempt, want := range map[int]time.Duration{1: 10 * time.Second, 2: 20 * time.Second, 3: 40 * time.Second, 4: 80 * time.Second, 5: 2 * time.Minute, 1000: 2 * time.Minute} {
		if got := r.wait(attempt, 0, 0.5); got != want {
			t.Errorf("after try %d: %v, want %v", attempt, got, want)
		}
	}
	for _, row := range []struct {
		jitter Jitter
		random float64
		want   time.Duration
	}{{FullJitter, 0, 0}, {FullJitter, 0.5, 10 * time.Second}, {EqualJitter, 0, 10 * time.Second}, {EqualJitter, 0.5, 15 * time.Second}} {
		r.Jitter = row.jitter
		if got := r.wait(2, 0, row.random); got != row.want {
			t.Errorf("%s %v: %v, want %v", row.jitter, row.random, got, row.want)
		}
	}
	r.MinWait, r.MaxWait, r.Jitter = time.Minute, time.Second, NoJitter // the wrong way round
	if got := r.wait(3, 0, 0); got != time.Minute {
		t.Errorf("%v", got)
	}
	r.MinWait = 0
	if got := r.wait(3, 0, 0); got != 0 {
		t.Errorf("%v", got)
	}
}

func TestRetryAfterIsReadForBusyAnswersOnly(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		status int
		text   string
		want   time.Duration
	}{
		{429, "7", 7 * time.Second}, {503, " 7 ", 7 * time.Second}, {500, "7", 0}, {429, "-1", 0}, {429, "soon", 0}, {429, "", 0},
		{503, "Sat, 31 Jan 2026 12:01:00 GMT", time.Minute}, {503, "Sat, 31 Jan 2026 11:00:00 GMT", 0}, {429, "99999999999999", 0},
	} {
		if got := retryAfter(row.status, http.Header{"Retry-After": {row.text}}, now); got != row.want {
			t.Errorf("%d %q: %v, want %v", row.status, row.text, got, row.want)
		}
	}
	if got := DefaultRetry().wait(1, 365*24*time.Hour, 0); got != MaxWait {
		t.Errorf("a year: %v", got)
	}
}

func TestAWindowOpensClosesAndPauses(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	w := newWindow()
	for range 8 {
		w.took()
	}
	if got := w.room(0, 0, 100); got != 16 {
		t.Errorf("doubled: %d", got)
	}
	if got := w.room(3, 90, 100); got != 7 {
		t.Errorf("with 90 calls of others and 3 in hand: %d", got)
	}
	if got := w.room(0, 500, 100); got != 1 {
		t.Errorf("with too many calls of others: %d", got)
	}
	began := now
	now = now.Add(time.Second)
	w.busy(began, now, 0)
	w.busy(began, now, 0) // begun before the cut
	if got := w.room(0, 0, 100); got != 8 || !w.notAfter.IsZero() {
		t.Errorf("halved once: %d %v", got, w.notAfter)
	}
	for range 8 {
		w.took()
	}
	if got := w.room(0, 0, 100); got < 8 || got > 9 {
		t.Errorf("slowly from there: %d", got)
	}
	var pauses []time.Duration
	for range 16 {
		w.busy(now, now, 0)
		if d := w.notAfter.Sub(now); d > 0 {
			pauses = append(pauses, d)
		}
		now = now.Add(time.Minute)
	}
	if w.room(0, 0, 100) != 1 || pauses[0] != firstPause || pauses[1] != 2*firstPause || pauses[len(pauses)-1] != maxPause {
		t.Errorf("%v", pauses)
	}
	if w.rested(now.Add(-time.Minute)) || !w.rested(now) {
		t.Error("it is forgotten too early, or never")
	}
	w.took()
	if w.busy(now, now, 10*time.Second); w.notAfter.Sub(now) != 10*time.Second {
		t.Errorf("asked for 10 s, waits %v", w.notAfter.Sub(now))
	}
}

func TestABudgetLeavesSomeForWhoComesNext(t *testing.T) {
	b := newBudget(64)
	first, second, third := b.share(), b.share(), b.share()
	for i, s := range []*share{first, second, third} {
		want := []int{32, 16, 8}[i]
		if got := s.take(1000); got != want {
			t.Errorf("lane %d gets %d of 64, want %d", i, got, want)
		}
	}
	if second.take(1) != 0 {
		t.Error("more than its part")
	}
	first.give(32)
	select {
	case <-second.wake:
	default:
		t.Error("who waits is not woken")
	}
	if got := second.take(1000); got != 12 {
		t.Errorf("%d", got)
	}
	second.give(28)
	third.give(8)
	if b.free != 64 || len(b.waiting) > 1 {
		t.Errorf("%d free, %d wait", b.free, len(b.waiting))
	}
	first.leave()
	second.leave()
	if len(b.waiting) != 0 {
		t.Error("a lane that left waits")
	}
}

// FuzzHeads: what a call says comes back byte for byte.
func FuzzHeads(f *testing.F) {
	f.Add("/a%2F\xff", "x=\x80", "h\xe9st", "v\xff\xfealue")
	f.Fuzz(func(t *testing.T, path, query, host, value string) {
		c := Call{Ref: fn.Ref{Namespace: "a", Name: "b"}, ID: "x", Path: path, Query: query, Host: host, Header: http.Header{"X-A": {value}}}
		m, err := c.message("q")
		if err != nil {
			t.Fatal(err)
		}
		h, err := readHead(m.Head)
		if err != nil || h.Path != path || h.Query != query || h.Host != host || h.Header["X-A"][0] != value {
			t.Fatalf("%+v %v", h, err)
		}
	})
}

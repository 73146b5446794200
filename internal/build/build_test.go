package build

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a builder whose artifacts are empty folders.
type fake struct {
	artifacts string
	fail      error
	gate      chan struct{} // if not nil, a build waits for a value

	mu            sync.Mutex
	builds        int
	running, most int
}

const digest = "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

func (f *fake) Key(_ context.Context, req Request) (string, error) { return req.SourceDigest, nil }

func (f *fake) Build(ctx context.Context, req Request, progress func(Event)) (fn.Artifact, error) {
	f.mu.Lock()
	f.builds++
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	progress(Event{Step: "compile"})
	progress(Event{Step: "compile", Line: "hello"})
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	f.running--
	f.mu.Unlock()
	if f.fail != nil {
		return fn.Artifact{}, f.fail
	}
	if f.artifacts != "" {
		if err := os.MkdirAll(filepath.Join(f.artifacts, strings.TrimPrefix(digest, "sha256:")), 0o755); err != nil {
			return fn.Artifact{}, err
		}
	}
	progress(Event{Step: "compile", Done: true, Took: time.Millisecond})
	return fn.Artifact{Digest: digest, Size: 7}, nil
}

func request(source string) Request {
	return Request{Ref: fn.Ref{Namespace: "default", Name: "f"}, SourceDigest: source}
}

func silent(Event) {}

func TestCacheBuildsAnEqualRequestOnce(t *testing.T) {
	artifacts, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	next := &fake{artifacts: artifacts}
	for i, want := range []int{1, 1} {
		var last Event
		a, err := Cache(next, keys, artifacts).Build(t.Context(), request("a"), func(e Event) { last = e })
		if err != nil || a.Digest != digest || a.Size != 7 || next.builds != want || !last.Done || last.Cached != (i == 1) {
			t.Errorf("time %d: %+v, %v, %d builds, last event %+v", i, a, err, next.builds, last)
		}
	}
	if _, err := Cache(next, keys, artifacts).Build(t.Context(), request("b"), silent); err != nil || next.builds != 2 {
		t.Errorf("another request: %v, %d builds", err, next.builds)
	}
}

func TestCacheBuildsAgainWhatIsGoneOrDamaged(t *testing.T) {
	artifacts, keys := t.TempDir(), t.TempDir()
	next := &fake{artifacts: artifacts}
	c := Cache(next, keys, artifacts)
	for i, harm := range []func() error{
		func() error { return nil },
		func() error { return os.RemoveAll(filepath.Join(artifacts, strings.TrimPrefix(digest, "sha256:"))) },
		func() error { return os.WriteFile(filepath.Join(keys, "a.json"), []byte("{"), 0o600) },
		func() error {
			return os.WriteFile(filepath.Join(keys, "a.json"), []byte(`{"digest":"sha256:../../../../etc"}`), 0o600)
		},
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Build(t.Context(), request("a"), silent); err != nil || next.builds != i+1 {
			t.Errorf("harm %d: %v, %d builds", i, err, next.builds)
		}
	}
}

func TestCacheRemembersNoFailure(t *testing.T) {
	next := &fake{fail: fn.Errorf(fn.Invalid, "no")}
	c := Cache(next, t.TempDir(), t.TempDir())
	for i := range 2 {
		if _, err := c.Build(t.Context(), request("a"), silent); !errors.Is(err, fn.Invalid) || next.builds != i+1 {
			t.Errorf("got %v, %d builds", err, next.builds)
		}
	}
}

func TestCacheBuildsEqualRequestsAtOnceOnce(t *testing.T) {
	artifacts, keys := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		next := &fake{artifacts: artifacts, gate: make(chan struct{})}
		c := Cache(next, keys, artifacts)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := c.Build(t.Context(), request("a"), silent); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Build(gone, request("a"), silent); !errors.Is(err, fn.Canceled) {
			t.Errorf("who leaves while waiting: %v", err)
		}
		next.gate <- struct{}{}
		wg.Wait()
		if next.builds != 1 {
			t.Errorf("%d builds", next.builds)
		}
	})
}

func TestLimitLetsOthersWaitAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &fake{gate: make(chan struct{})}
		l := Limit(next, 2)
		var mu sync.Mutex
		waiting := 0
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := l.Build(t.Context(), request("a"), func(e Event) {
					mu.Lock()
					defer mu.Unlock()
					if e.Step == "queue" {
						waiting++
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if next.running != 2 || waiting != 3 {
			t.Errorf("%d run, %d wait", next.running, waiting)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Build(gone, request("a"), silent); !errors.Is(err, fn.Canceled) {
			t.Errorf("who leaves while waiting: %v", err)
		}
		for range 5 {
			next.gate <- struct{}{}
		}
		wg.Wait()
		if next.most != 2 {
			t.Errorf("%d at once", next.most)
		}
	})
}

// last reads the record of default/f.
func last(t *testing.T, r *Recorder) string {
	t.Helper()
	f, err := r.Last(fn.Ref{Namespace: "default", Name: "f"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRecordKeepsTheOutputOfTheLastBuild(t *testing.T) {
	next := &fake{}
	r := Record(next, t.TempDir())
	ref := request("").Ref
	if _, err := r.Last(ref); !errors.Is(err, fn.NotFound) {
		t.Errorf("before: %v", err)
	}
	if _, err := r.Build(t.Context(), request("sha256:1"), silent); err != nil {
		t.Fatal(err)
	}
	if got := last(t, r); !strings.Contains(got, "from sha256:1\ncompile:\n  hello\ncompile: done in 1ms\nmade "+digest) {
		t.Errorf("got %q", got)
	}
	next.fail = fn.Errorf(fn.Invalid, "it broke")
	if _, err := r.Build(t.Context(), request("sha256:2"), silent); !errors.Is(err, fn.Invalid) {
		t.Fatal(err)
	}
	if got := last(t, r); !strings.Contains(got, "  hello\nfailed after ") || !strings.Contains(got, "it broke") || strings.Contains(got, "sha256:1") {
		t.Errorf("got %q", got)
	}
	if err := errors.Join(r.Forget(ref), r.Forget(ref)); err != nil {
		t.Error(err)
	}
	if _, err := r.Last(ref); !errors.Is(err, fn.NotFound) {
		t.Errorf("after: %v", err)
	}
}

// chatty prints more than is kept.
type chatty struct{ fake }

func (c *chatty) Build(ctx context.Context, req Request, progress func(Event)) (fn.Artifact, error) {
	for range 300 {
		progress(Event{Step: "x", Line: strings.Repeat("y", 100_000)})
	}
	return c.fake.Build(ctx, req, progress)
}

func TestRecordIsBounded(t *testing.T) {
	r := Record(&chatty{}, t.TempDir())
	if _, err := r.Build(t.Context(), request("a"), silent); err != nil {
		t.Fatal(err)
	}
	if got := last(t, r); len(got) > MaxRecord+100 || !strings.Contains(got, "… the rest is not kept\nmade "+digest) {
		t.Errorf("%d bytes, ending %q", len(got), got[len(got)-200:])
	}
}

func TestRecordsGoWithTheirNamespace(t *testing.T) {
	r := Record(&fake{fail: fn.Errorf(fn.Invalid, "it broke")}, t.TempDir())
	for _, namespace := range []string{"default", "team"} {
		req := request("a")
		req.Ref.Namespace = namespace
		if _, err := r.Build(t.Context(), req, silent); !errors.Is(err, fn.Invalid) {
			t.Fatal(err)
		}
	}
	if err := r.ForgetNamespace("team"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Last(fn.Ref{Namespace: "team", Name: "f"}); !errors.Is(err, fn.NotFound) {
		t.Errorf("after: %v", err)
	}
	if got := last(t, r); !strings.Contains(got, "it broke") {
		t.Errorf("another namespace has %q", got)
	}
}

func TestWhatWasBuiltBeforeDoesNotWaitForOtherBuilds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		artifacts := t.TempDir()
		if err := os.MkdirAll(filepath.Join(artifacts, strings.TrimPrefix(digest, "sha256:")), 0o700); err != nil {
			t.Fatal(err)
		}
		next := &fake{gate: make(chan struct{})}
		b := Record(Cache(Limit(next, 1), t.TempDir(), artifacts), t.TempDir())
		var wg sync.WaitGroup
		start := func(source string) {
			wg.Go(func() {
				if _, err := b.Build(t.Context(), request(source), silent); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		start("a")
		next.gate <- struct{}{}
		wg.Wait()
		start("b") // takes the only slot
		cached := false
		if _, err := b.Build(t.Context(), request("a"), func(e Event) { cached = cached || e.Cached }); err != nil || !cached {
			t.Errorf("cached %v, %v", cached, err)
		}
		next.gate <- struct{}{}
		wg.Wait()
	})
}

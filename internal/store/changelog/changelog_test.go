package changelog_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/changelog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var all = store.Query{Kind: "k"}

func put(version uint64, size int) *changelog.Change {
	c := store.Change{Key: store.Key{Kind: "k", Name: fmt.Sprint(version)}, Value: make([]byte, size)}
	return changelog.Of(c, nil, version)
}

func TestTheWindowIsBoundedByEvents(t *testing.T) {
	l := changelog.New(changelog.Config{Events: 10}, 0)
	for v := range uint64(100) {
		l.Publish(put(v+1, 1))
	}
	checkFloor(t, l, 90)
}

func TestTheWindowIsBoundedByBytes(t *testing.T) {
	l := changelog.New(changelog.Config{Bytes: 1000}, 0)
	for v := range uint64(100) {
		l.Publish(put(v+1, 100))
	}
	checkFloor(t, l, 90)
	l.Publish(put(101, 5000)) // one that is over the bound alone is kept, alone
	checkFloor(t, l, 100)
}

// checkFloor checks that watches from want on work and older ones do not.
func checkFloor(t *testing.T, l *changelog.Log, want uint64) {
	t.Helper()
	next, stop := iter.Pull2(l.Watch(t.Context(), all, want))
	defer stop()
	if e, err, _ := next(); err != nil || e.Version != want+1 {
		t.Errorf("watch from %d: version %d, error %v; want version %d", want, e.Version, err, want+1)
	}
	for e, err := range l.Watch(t.Context(), all, want-1) {
		if !errors.Is(err, fn.Exhausted) || fn.Hint(err) == "" {
			t.Errorf("watch from %d: version %d, error %v; want exhausted with a hint", want-1, e.Version, err)
		}
		break
	}
}

func TestAWatchThatFallsBehindIsToldToListAgain(t *testing.T) {
	l := changelog.New(changelog.Config{Events: 1000}, 0)
	for v := range uint64(600) {
		l.Publish(put(v+1, 1))
	}
	next, stop := iter.Pull2(l.Watch(t.Context(), all, 0))
	defer stop()
	if e, err, _ := next(); err != nil || e.Version != 1 {
		t.Fatalf("version %d, error %v", e.Version, err)
	}
	for v := range uint64(5000) {
		l.Publish(put(v+601, 1))
	}
	last := uint64(1)
	for {
		e, err, ok := next()
		if err != nil {
			if !errors.Is(err, fn.Exhausted) {
				t.Fatalf("got %v, want exhausted", err)
			}
			return
		}
		if !ok || e.Version != last+1 {
			t.Fatalf("version %d after %d", e.Version, last)
		}
		if last = e.Version; last == 5600 {
			t.Fatal("5,600 changes are remembered, at most 1,000 may be")
		}
	}
}

func TestWaitReturnsAtTheVersionNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := changelog.New(changelog.Config{}, 5)
		if err := l.Wait(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		done := false
		go func() {
			if err := l.Wait(t.Context(), 7); err != nil {
				t.Error(err)
			}
			done = true
		}()
		l.Publish(put(6, 1))
		synctest.Wait()
		if done {
			t.Error("waiting for 7 ended at 6")
		}
		l.Publish(put(7, 1))
		synctest.Wait()
		if !done {
			t.Error("waiting for 7 did not end at 7")
		}
	})
}

func TestWaitEndsWithItsContextAndWithTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := changelog.New(changelog.Config{}, 0)
		gone, closed := errors.New("client left"), errors.New("closed")
		ctx, cancel := context.WithCancelCause(t.Context())
		var errs [2]error
		go func() { errs[0] = l.Wait(ctx, 1) }()
		go func() { errs[1] = l.Wait(t.Context(), 1) }()
		synctest.Wait()
		cancel(gone)
		synctest.Wait()
		l.Close(closed)
		synctest.Wait()
		if errs != [2]error{gone, closed} {
			t.Errorf("got %v", errs)
		}
	})
}

func TestAnIdleWatchDoesNothingUntilAPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := changelog.New(changelog.Config{}, 0)
		ctx, cancel := context.WithCancel(t.Context())
		var versions []uint64
		go func() {
			for e, err := range l.Watch(ctx, all, 0) {
				if err == nil {
					versions = append(versions, e.Version)
				}
			}
		}()
		synctest.Wait()
		for v := range uint64(3) {
			l.Publish(put(v+1, 1))
			synctest.Wait()
			if len(versions) != int(v)+1 {
				t.Fatalf("after version %d the watch has seen %v", v+1, versions)
			}
		}
		cancel()
		synctest.Wait()
	})
}

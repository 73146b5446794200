package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func concurrentCases() []testCase {
	return []testCase{
		{"of writers with one version one wins", oneWins},
		{"a list is of one moment", listMoment},
		{"watchers see all writes of all writers", allWatchersSeeAll},
		{"list then watch adds up to the store", listThenWatch},
	}
}

const writers = 8

// each runs f in writers goroutines at once and waits for them.
func each(f func(i int)) {
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func oneWins(t *testing.T, s store.Store) {
	const rounds = 25
	apply(t, s, put("counter", "0"))
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	each(func(int) {
		for done := 0; done < rounds; {
			o, err := s.Get(t.Context(), key("counter"))
			if err != nil {
				t.Errorf("getting: %v", err)
				return
			}
			var n int
			fmt.Sscan(string(o.Value), &n)
			v, err := s.Apply(t.Context(), store.Change{Key: o.Key, Value: fmt.Append(nil, n+1), IfVersion: o.Version})
			if errors.Is(err, fn.Conflict) {
				continue
			}
			if err != nil {
				t.Errorf("applying: %v", err)
				return
			}
			mu.Lock()
			if seen[v[0]] {
				t.Errorf("two writes share version %d", v[0])
			}
			seen[v[0]] = true
			mu.Unlock()
			done++
		}
	})
	if o := get(t, s, key("counter")); string(o.Value) != fmt.Sprint(writers*rounds) {
		t.Errorf("counted to %s, want %d", o.Value, writers*rounds)
	}
}

func listMoment(t *testing.T, s store.Store) {
	const rounds = 50
	each(func(i int) {
		if i < 2 { // two readers, the others write pairs
			for range 4 * rounds {
				checkPairs(t, s)
			}
			return
		}
		for n := range rounds {
			value := fmt.Sprint(n)
			_, err := s.Apply(t.Context(), put(fmt.Sprint("a", i), value), put(fmt.Sprint("b", i), value))
			if err != nil {
				t.Errorf("applying: %v", err)
			}
		}
	})
}

func checkPairs(t *testing.T, s store.Store) {
	objects, version, err := s.List(t.Context(), things)
	if err != nil {
		t.Errorf("listing: %v", err)
	}
	values := make(map[string]string)
	var newest uint64
	for _, o := range objects {
		values[o.Name] = string(o.Value)
		newest = max(newest, o.Version)
	}
	for i := range writers {
		if a, b := values[fmt.Sprint("a", i)], values[fmt.Sprint("b", i)]; a != b {
			t.Errorf("half a batch is listed: %q and %q", a, b)
		}
	}
	if newest != version { // nothing is deleted here
		t.Errorf("the list is of version %d, its newest object of %d", version, newest)
	}
}

func allWatchersSeeAll(t *testing.T, s store.Store) {
	const rounds = 40
	const total = writers * rounds * 2
	var watchers sync.WaitGroup
	for range 4 {
		watchers.Go(func() {
			n, last := 0, uint64(0)
			for e, err := range s.Watch(t.Context(), things, 0) {
				if err != nil {
					t.Errorf("watching: %v", err)
					return
				}
				if e.Version <= last {
					t.Errorf("version %d after %d", e.Version, last)
				}
				last = e.Version
				if n++; n == total {
					return
				}
			}
		})
	}
	each(func(i int) {
		for n := range rounds {
			if _, err := s.Apply(t.Context(), put(fmt.Sprint("a", i), fmt.Sprint(n)), put(fmt.Sprint("b", i), "")); err != nil {
				t.Errorf("applying: %v", err)
			}
		}
	})
	watchers.Wait()
}

// listThenWatch is what every cache does, while others write.
func listThenWatch(t *testing.T, s store.Store) {
	const rounds = 40
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var caches sync.WaitGroup
	stop := put("stop", "now")
	for range 3 {
		caches.Go(func() {
			cache := make(map[string]string)
			objects, from, err := s.List(ctx, things)
			if err != nil {
				t.Errorf("listing: %v", err)
			}
			for _, o := range objects {
				cache[o.Name] = string(o.Value)
			}
			for e, err := range s.Watch(ctx, things, from) {
				if err != nil {
					t.Errorf("watching: %v", err)
					return
				}
				if e.Deleted {
					delete(cache, e.Name)
				} else {
					cache[e.Name] = string(e.Value)
				}
				if e.Name == "stop" {
					break
				}
			}
			want := make(map[string]string)
			objects, _ = list(t, s, things)
			for _, o := range objects {
				want[o.Name] = string(o.Value)
			}
			wantDiff(t, "cache", want, cache)
		})
	}
	each(func(i int) {
		for n := range rounds {
			a, b := fmt.Sprint("x", i, "-", n), fmt.Sprint("x", i, "-", n-3)
			if _, err := s.Apply(ctx, put(a, fmt.Sprint(n)), remove(b)); err != nil {
				t.Errorf("applying: %v", err)
			}
		}
	})
	apply(t, s, stop)
	caches.Wait()
}

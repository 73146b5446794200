// Package storetest is the conformance suite of store.Store.
//
// Every adapter runs it. Each test names a sentence of the port's comments;
// what an adapter promises beyond them is tested beside the adapter.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Run tests the stores that open makes. open returns a new, empty store each
// time; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
			c.test(t, s)
		})
	}
}

type testCase struct {
	name string
	test func(t *testing.T, s store.Store)
}

func cases() []testCase {
	return slices.Concat(objectCases(), listCases(), watchCases(), concurrentCases(), lifeCases(), snapshotCases())
}

func key(name string) store.Key { return store.Key{Kind: "things", Namespace: "ns", Name: name} }

// put writes without a check.
func put(name, value string) store.Change {
	return store.Change{Key: key(name), Value: []byte(value), IfVersion: store.AnyVersion}
}

func labelled(name, value string, labels ...string) store.Change {
	c := put(name, value)
	c.Labels = make(map[string]string)
	for i := 0; i < len(labels); i += 2 {
		c.Labels[labels[i]] = labels[i+1]
	}
	return c
}

func remove(name string) store.Change {
	return store.Change{Key: key(name), IfVersion: store.AnyVersion}
}

func apply(t *testing.T, s store.Store, changes ...store.Change) []uint64 {
	t.Helper()
	versions, err := s.Apply(t.Context(), changes...)
	if err != nil {
		t.Fatalf("applying %d changes: %v", len(changes), err)
	}
	if len(versions) != len(changes) {
		t.Fatalf("%d changes got %d versions", len(changes), len(versions))
	}
	return versions
}

func get(t *testing.T, s store.Store, k store.Key) store.Object {
	t.Helper()
	o, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatalf("getting %s: %v", k, err)
	}
	return o
}

func list(t *testing.T, s store.Store, q store.Query) ([]store.Object, uint64) {
	t.Helper()
	objects, version, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatalf("listing %+v: %v", q, err)
	}
	return objects, version
}

func wantKind(t *testing.T, err error, want fn.Kind) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v (%s), want %s", err, fn.KindOf(err), want)
	}
}

func wantDiff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// names returns "namespace/name" of each object.
func names(objects []store.Object) string {
	var out []string
	for _, o := range objects {
		out = append(out, o.Namespace+"/"+o.Name)
	}
	return strings.Join(out, " ")
}

// puller reads a watch one event at a time.
type puller struct {
	t    *testing.T
	pull func() (store.Event, error, bool)
}

// patience is how long the suite waits for what must come.
const patience = 30 * time.Second

// watch begins a watch that ends with the test, or when nothing comes.
func watch(t *testing.T, s store.Store, q store.Query, from uint64) *puller {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("an event or error that must come did not"))
	t.Cleanup(cancel)
	return watchIn(ctx, t, s, q, from)
}

func watchIn(ctx context.Context, t *testing.T, s store.Store, q store.Query, from uint64) *puller {
	next, stop := iter.Pull2(s.Watch(ctx, q, from))
	t.Cleanup(stop)
	return &puller{t, next}
}

// next returns the next event and fails the test on an error.
func (p *puller) next() store.Event {
	p.t.Helper()
	e, err, ok := p.pull()
	if err != nil || !ok {
		p.t.Fatalf("watching: error %v, going on %v", err, ok)
	}
	return e
}

// want checks the next event in short form: "put name=value" or "gone
// name=value", with the version.
func (p *puller) want(version uint64, text string) {
	p.t.Helper()
	e := p.next()
	verb := "put"
	if e.Deleted {
		verb = "gone"
	}
	if got := fmt.Sprintf("%s %s=%s", verb, e.Name, e.Value); got != text || e.Version != version {
		p.t.Errorf("got %q at version %d, want %q at %d", got, e.Version, text, version)
	}
}

// fails checks that the watch ends with one error of kind want.
func (p *puller) fails(want error) {
	p.t.Helper()
	e, err, ok := p.pull()
	if !ok || !errors.Is(err, want) {
		p.t.Fatalf("got event %+v, error %v, going on %v; want error %v", e, err, ok, want)
	}
	if _, err, ok := p.pull(); ok {
		p.t.Errorf("the watch goes on after its error, with error %v", err)
	}
}

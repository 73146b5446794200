package observe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func ids(calls []fn.Invocation) (ns []int) {
	for _, c := range calls {
		ns = append(ns, int(c.Began.Nanosecond()))
	}
	return ns
}

func TestRecentFindsByFunctionIDTimeAndOutcome(t *testing.T) {
	o := New(Config{})
	other := fn.Ref{Namespace: "team", Name: "fib"}
	for i := range 10 {
		ref := fib
		if i%2 == 1 {
			ref = other
		}
		inv := call(ref, i, 200)
		switch i {
		case 4:
			inv.Status = 500
		case 5:
			inv.Status, inv.Cause = 429, "queue-full"
		case 6:
			inv.Status = 404
		}
		o.Record(inv)
	}
	for _, tc := range []struct {
		name string
		q    Query
		want []int
	}{
		{"all", Query{}, []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"newest three", Query{Limit: 3}, []int{9, 8, 7}},
		{"one function", Query{Ref: fib}, []int{8, 6, 4, 2, 0}},
		{"a namespace", Query{Ref: fn.Ref{Namespace: "team"}}, []int{9, 7, 5, 3, 1}},
		{"one call", Query{ID: id(7)}, []int{7}},
		{"a call of another function", Query{ID: id(7), Ref: fib}, nil},
		{"failures", Query{Failed: true}, []int{5, 4}},
		{"since", Query{Since: time.Unix(1_900_000_000, 8)}, []int{9, 8}},
	} {
		if diff := cmp.Diff(tc.want, ids(o.Recent(tc.q))); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestRingKeepsTheNewestWithinItsBudget(t *testing.T) {
	const limit = 400
	o := New(Config{Records: limit})
	for i := range 100_000 {
		inv := call(fib, i, 200)
		if i%3 == 0 {
			inv.Status = 500
		}
		o.Record(inv)
	}
	got := o.Recent(Query{Limit: 1 << 20})
	slack := 2 * len(o.plain.shards) // each shard rounds up
	if len(got) < limit || len(got) > limit+slack {
		t.Fatalf("%d records kept, the budget is %d", len(got), limit)
	}
	if oldest := ids(got)[len(got)-1]; oldest < 100_000-4*limit {
		t.Errorf("record %d is still there", oldest)
	}
}

func TestBusyFunctionDoesNotPushOutAFailure(t *testing.T) {
	o := New(Config{Records: 100})
	bad := call(fn.Ref{Namespace: "default", Name: "rare"}, 1, 502)
	bad.Cause = "exited"
	o.Record(bad)
	for i := range 10_000 {
		o.Record(call(fib, 10+i, 200))
	}
	if got := o.Recent(Query{ID: bad.ID}); len(got) != 1 {
		t.Error("the failure is gone")
	}
}

func TestNoRecordsWhenNoneAreWanted(t *testing.T) {
	o := New(Config{Records: -1})
	o.Record(call(fib, 1, 200))
	if got := o.Recent(Query{}); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	if o.Totals(fib).Calls != 1 {
		t.Error("not counted")
	}
}

// TestRecentAgreesWithANaiveSearch compares with a plain list of all calls.
func TestRecentAgreesWithANaiveSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	o := New(Config{Records: 10_000})
	var all []fn.Invocation
	for i := range 2000 {
		inv := call(fn.Ref{Namespace: "default", Name: fmt.Sprint("f", r.IntN(5))}, i, []int{200, 404, 500, 0}[r.IntN(4)])
		inv.Began = time.Unix(1_900_000_000, int64(r.IntN(1000)*10_000+i))
		all = append(all, *inv)
		o.Record(inv)
	}
	slices.SortFunc(all, func(a, b fn.Invocation) int { return b.Began.Compare(a.Began) })
	for range 300 {
		q := Query{Limit: 1 + r.IntN(50), Failed: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			q.Ref = fn.Ref{Namespace: "default", Name: fmt.Sprint("f", r.IntN(5))}
		}
		var want []fn.Invocation
		for _, inv := range all {
			if q.matches(&inv) && len(want) < q.Limit {
				want = append(want, inv)
			}
		}
		if diff := cmp.Diff(ids(want), ids(o.Recent(q))); diff != "" {
			t.Fatalf("%+v: %s", q, diff)
		}
	}
}

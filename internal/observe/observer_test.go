package observe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) {
	if path, ok := strings.CutPrefix(os.Args[len(os.Args)-1], killed); ok {
		countUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

var fib = fn.Ref{Namespace: "default", Name: "fib"}

// id makes the n-th call id.
func id(n int) fn.CallID { return fn.MakeCallID(uint64(n), 0, uint64(n)*0x9e3779b97f4a7c15) }

func call(ref fn.Ref, n, status int) *fn.Invocation {
	inv := warmCall(ref, n)
	inv.ID, inv.Status = id(n), status
	return inv
}

func TestTotalsAddUpWhatWasRecorded(t *testing.T) {
	o := New(Config{})
	for i, status := range []int{200, 201, 404, 500, 503, 0, 700} {
		o.Record(call(fib, i, status))
	}
	cold := call(fib, 7, 200)
	cold.Kind = fn.Cold
	o.Record(cold)
	failed := call(fib, 8, 504)
	failed.Cause, failed.Phase = "deadline", fn.PhaseRun
	o.Record(failed)
	want := Totals{Calls: 9, Failed: 4, Cold: 1, Last: failed.Began}
	if diff := cmp.Diff(want, o.Totals(fib)); diff != "" {
		t.Error(diff)
	}
	if got := o.Totals(fn.Ref{Namespace: "default", Name: "other"}); got != (Totals{}) {
		t.Errorf("a function never called has %+v", got)
	}
}

func TestNoCallIsLostWhenManyRecordAtOnce(t *testing.T) {
	o := New(Config{})
	const writers, each = 8, 5 * hotAfter
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				inv := call(fib, w*each+i, 200)
				if i%10 == 0 {
					inv.Status, inv.Cause = 429, fmt.Sprintf("cause-%d", i%4)
				}
				o.Record(inv)
			}
		})
	}
	wg.Wait()
	if got := o.Totals(fib).Calls; got != writers*each {
		t.Errorf("%d calls counted, %d recorded", got, writers*each)
	}
	var byCause uint64
	for _, row := range o.table.find(&fib).failed.all() {
		byCause += row.n.Load()
	}
	if byCause != writers*each/10 {
		t.Errorf("%d failures counted, %d recorded", byCause, writers*each/10)
	}
	s := o.table.find(&fib)
	sum := s.sums()
	if sum.duration.total() != writers*each {
		t.Errorf("the histogram has %d of %d calls", sum.duration.total(), writers*each)
	}
	if hot := s.hot.Load(); runtime.GOMAXPROCS(0) > 1 && hot == nil {
		t.Error("a busy function was not spread over the processors")
	}
}

func TestFunctionNeverCalledCostsNothing(t *testing.T) {
	o := New(Config{})
	_ = o.Totals(fib)
	o.Recent(Query{Ref: fib})
	if n := o.table.size.Load(); n != 0 {
		t.Errorf("%d series made by looking", n)
	}
}

func TestFunctionsBeyondTheLimitShareCounters(t *testing.T) {
	o := New(Config{Functions: 3})
	for i := range 10 {
		o.Record(call(fn.Ref{Namespace: "default", Name: fmt.Sprintf("f%d", i)}, i, 200))
	}
	rest := o.table.rest.sums()
	if n := o.table.size.Load(); n != 3 || rest.class[2] != 7 {
		t.Errorf("%d series and %d calls of the rest, want 3 and 7", n, rest.class[2])
	}
	if got := o.Recent(Query{Ref: fn.Ref{Namespace: "default", Name: "f9"}}); len(got) != 1 {
		t.Errorf("the record of a function without counters of its own is lost: %v", got)
	}
	o.Forget(fn.Ref{Namespace: "default", Name: "f0"})
	late := fn.Ref{Namespace: "default", Name: "late"}
	o.Record(call(late, 11, 200))
	if o.Totals(late).Calls != 1 {
		t.Error("room that became free was not used")
	}
}

func TestCallsOfUnknownFunctionsMakeNoSeries(t *testing.T) {
	o := New(Config{})
	for i := range 1000 {
		inv := call(fn.Ref{Namespace: "default", Name: fmt.Sprintf("guess-%d", i)}, i, 404)
		inv.Revision.Number, inv.Phase, inv.Cause = 0, fn.PhaseRoute, "no-such-function"
		o.Record(inv)
	}
	if n := o.table.size.Load(); n != 0 {
		t.Errorf("%d series for functions that do not exist", n)
	}
	if rows := o.table.unknown.failed.all(); len(rows) != 1 || rows[0].n.Load() != 1000 {
		t.Errorf("not counted together: %v", rows)
	}
}

func TestForgottenFunctionBeginsAnew(t *testing.T) {
	o := New(Config{})
	other := fn.Ref{Namespace: "default", Name: "other"}
	o.Record(call(fib, 1, 200))
	o.Record(call(other, 2, 200))
	o.Forget(fib)
	if o.Totals(fib).Calls != 0 || o.Totals(other).Calls != 1 {
		t.Error("the wrong function was forgotten")
	}
	o.Record(call(fib, 3, 200)) // a call that ended after the removal
	o.Retain(func(r fn.Ref) bool { return r == other })
	if o.table.size.Load() != 1 || o.table.find(&fib) != nil {
		t.Error("a function that does not exist was retained")
	}
}

func TestEndlessCausesAreBounded(t *testing.T) {
	var c tally
	for i := range 1000 {
		c.add(tallyKey{class: i % classes, cause: fmt.Sprint("cause-", i)})
	}
	rows := c.all()
	if len(rows) > maxTally+1 {
		t.Fatalf("%d rows", len(rows))
	}
	var n uint64
	for _, r := range rows {
		n += r.n.Load()
	}
	if last := rows[len(rows)-1]; n != 1000 || last.key.cause != other || last.n.Load() != 1000-maxTally {
		t.Errorf("%d counted in all, the rest is %+v", n, last.key)
	}
}

func TestStartsAreCountedByCause(t *testing.T) {
	o := New(Config{})
	rev := fn.RevisionRef{Ref: fib, Number: 1}
	o.InstanceStarted(rev, time.Millisecond, time.Second, nil)
	o.InstanceStarted(rev, 0, 0, &fn.Failure{Kind: fn.Unavailable, Cause: "start-deadline"})
	o.InstanceStarted(rev, 0, 0, fn.Errorf(fn.Exhausted, "no memory"))
	o.InstanceStarted(rev, 0, 0, errors.New("strange"))
	got := map[string]uint64{}
	for _, r := range o.table.find(&fib).boots.Load().failed.all() {
		got[r.key.cause] = r.n.Load()
	}
	want := map[string]uint64{"start-deadline": 1, "exhausted": 1, "internal": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBucketsHoldWhatTheirBoundsSay(t *testing.T) {
	for i, b := range bounds() {
		if got := bucketOf(b); got != i {
			t.Errorf("%v falls into bucket %d, want %d", b, got, i)
		}
		if got := bucketOf(b + 1); got != i+1 {
			t.Errorf("%v falls into bucket %d, want %d", b+1, got, i+1)
		}
	}
	if bucketOf(0) != 0 || bucketOf(time.Hour) != buckets-1 {
		t.Error("the ends are wrong")
	}
}

func TestStripeFillsWholeCacheLines(t *testing.T) {
	if n := unsafe.Sizeof(stripe{}); n%64 != 0 {
		t.Errorf("a stripe takes %d bytes", n)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	o := New(Config{Records: 64})
	inv := call(fib, 1, 200)
	inv.Kind = fn.Cold
	for i := range 4 * hotAfter {
		inv.ID = id(i)
		o.Record(inv)
	}
	if n := testing.AllocsPerRun(1000, func() { o.Record(inv) }); n > 0.1 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestRecordKeepsNothingOfTheCaller(t *testing.T) {
	o := New(Config{})
	inv := call(fib, 1, 200)
	want := *inv
	o.Record(inv)
	*inv = fn.Invocation{}
	if got := o.Recent(Query{}); len(got) != 1 || cmp.Diff(want, got[0]) != "" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

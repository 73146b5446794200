package route

import (
	"fmt"
	"sync"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func TestPickFollowsTheWeights(t *testing.T) {
	ref := fn.Ref{Namespace: "default", Name: "f"}
	e := NewEntry(ref, 0, []fn.Target{{Revision: 1, Weight: 90}, {Revision: 2, Weight: 10}, {Revision: 3, Tag: "next"}})
	count := map[int]int{}
	for r := range uint64(1000) {
		count[e.Pick(r).Number]++
	}
	if count[1] != 900 || count[2] != 100 || count[3] != 0 {
		t.Errorf("1000 picks of 90/10 went %v", count)
	}
	if rev := e.Tagged([]byte("next")); rev == nil || rev.Number != 3 {
		t.Errorf("Tagged(next) = %v, want revision 3", rev)
	}
	if e.Tagged([]byte("")) != nil || e.Tagged([]byte("nope")) != nil {
		t.Error("an empty or unknown tag found a revision")
	}
}

func TestPickOfNothingReadyIsNil(t *testing.T) {
	for _, traffic := range [][]fn.Target{nil, {{Revision: 1}}, {{Revision: 1}, {Revision: 2}}} {
		if rev := NewEntry(fn.Ref{}, 0, traffic).Pick(7); rev != nil {
			t.Errorf("Pick of %v = %v, want nil", traffic, rev)
		}
	}
}

func TestLookupDoesNotConfuseNamespaceAndName(t *testing.T) {
	tab := New()
	tab.Set(NewEntry(fn.Ref{Namespace: "a", Name: "b"}, 0, nil))
	if tab.Lookup([]byte("a"), []byte("b")) == nil {
		t.Error("a/b is not found")
	}
	for _, k := range [][2]string{{"a/b", ""}, {"", "a/b"}, {"a", "b/"}, {"b", "a"}} {
		if tab.Lookup([]byte(k[0]), []byte(k[1])) != nil {
			t.Errorf("lookup of namespace %q name %q found a/b", k[0], k[1])
		}
	}
	tab.Delete(fn.Ref{Namespace: "a", Name: "b"})
	if tab.Lookup([]byte("a"), []byte("b")) != nil || tab.Len() != 0 {
		t.Error("a/b is still there after Delete")
	}
}

func TestReadersSeeWholeEntriesWhileWritersReplaceThem(t *testing.T) {
	tab := New()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				ref := fn.Ref{Namespace: "ns", Name: fmt.Sprintf("f%d", i%50)}
				tab.Set(NewEntry(ref, 0, []fn.Target{{Revision: w*1000 + i + 1, Weight: 100}}))
			}
		})
		wg.Go(func() {
			for i := range 5000 {
				name := fmt.Sprintf("f%d", i%50)
				if e := tab.Lookup([]byte("ns"), []byte(name)); e != nil && (e.Ref.Name != name || e.Pick(1) == nil) {
					t.Errorf("lookup of %s gave %v", name, e.Ref)
				}
			}
		})
	}
	wg.Wait()
	if tab.Len() != 50 {
		t.Errorf("Len = %d, want 50", tab.Len())
	}
}

func BenchmarkLookup(b *testing.B) {
	tab := New()
	for i := range 10000 {
		tab.Set(NewEntry(fn.Ref{Namespace: "default", Name: fmt.Sprintf("f%d", i)}, 0, []fn.Target{{Revision: 1, Weight: 100}}))
	}
	ns, name := []byte("default"), []byte("f777")
	b.ReportAllocs()
	for b.Loop() {
		tab.Lookup(ns, name).Pick(5)
	}
}

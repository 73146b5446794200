package uids

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func ref(n int) fn.Ref { return fn.Ref{Namespace: "default", Name: fmt.Sprint("f", n)} }

func TestStaysWithItsFunction(t *testing.T) {
	p := New(1000, 3, 2)
	first, err := p.Acquire(ref(1))
	if err != nil || first != 1002 {
		t.Fatalf("%d, %v", first, err)
	}
	p.Release(ref(1))
	if _, err := p.Acquire(ref(2)); err != nil {
		t.Fatal(err)
	}
	if again, err := p.Acquire(ref(1)); err != nil || again != first {
		t.Errorf("%d, %v; want %d", again, err, first)
	}
}

func TestFullRange(t *testing.T) {
	p := New(1000, 2, 0)
	a, _ := p.Acquire(ref(1))
	if _, err := p.Acquire(ref(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Acquire(ref(3)); fn.KindOf(err) != fn.Exhausted || fn.Hint(err) == "" {
		t.Errorf("a third function: %v", err)
	}
	p.Release(ref(1))
	if got, err := p.Acquire(ref(3)); err != nil || got != a {
		t.Errorf("the idle one's uid: %d, %v; want %d", got, err, a)
	}
	if _, err := p.Acquire(ref(1)); err == nil {
		t.Error("a uid was given to two functions")
	}
	p.Release(ref(9)) // unknown: nothing happens
}

func TestNeverSharedUnderAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := New(500, 5, 3)
	uses := map[int]int{}
	holder := map[int]int{} // uid → function
	uidOf := map[int]int{}
	for range 20000 {
		f := rng.IntN(9)
		if rng.IntN(2) == 0 && uses[f] > 0 {
			p.Release(ref(f))
			if uses[f]--; uses[f] == 0 {
				delete(holder, uidOf[f])
			}
			continue
		}
		uid, err := p.Acquire(ref(f))
		if err != nil {
			if len(holder) < 5 {
				t.Fatalf("refused with %d of 5 in use: %v", len(holder), err)
			}
			continue
		}
		if other, ok := holder[uid]; ok && other != f {
			t.Fatalf("uid %d is held by %d and %d", uid, other, f)
		}
		holder[uid], uidOf[f] = f, uid
		uses[f]++
	}
}

package netns

import (
	"io"
	"testing"

	"github.com/vishvananda/netlink"
)

// The time to get rid of a namespace is not the caller's, but the kernel's
// work for it slows down what follows; it is part of what is measured.

func BenchmarkAcquire(b *testing.B) {
	for _, c := range []struct {
		name      string
		on, spare bool
	}{{"spare/on", true, true}, {"spare/off", false, true}, {"new/on", true, false}, {"new/off", false, false}} {
		b.Run(c.name, func(b *testing.B) {
			newWorld(b)
			m := newManager(b, func(cfg *Config) {
				if c.spare {
					cfg.Spares = 2
				}
			})
			if _, err := m.openGate(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if c.spare {
					b.StopTimer()
					m.stock(b.Context(), c.on)
					b.StartTimer()
				}
				n, err := m.Acquire(b.Context(), c.on)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				n.Release()
				b.StartTimer()
			}
		})
	}
}

func BenchmarkDial(b *testing.B) {
	w := newWorld(b)
	m := newManager(b, nil)
	n := acquire(b, m, true)
	w.listen(b, n.FD(), "0.0.0.0:8080")
	for b.Loop() {
		c, err := n.Dial(b.Context(), 8080)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c) // or the backlog fills up, and that is what is measured
		c.Close()
	}
}

func BenchmarkCloseWithHundredSandboxes(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		newWorldOnce(b)
		m := newManager(b, nil)
		for range 100 {
			acquire(b, m, true)
		}
		b.StartTimer()
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// newWorldOnce makes the world of a benchmark that loops.
func newWorldOnce(b *testing.B) {
	if _, err := netlink.LinkByName("up0"); err != nil {
		newWorld(b)
	}
}

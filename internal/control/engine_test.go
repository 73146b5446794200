package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// memEngine is an engine whose instances are goroutines behind in-memory
// connections: everything but the kernel is real.
type memEngine struct {
	refuse func(engine.Spec) error           // why one cannot be started; may be nil
	hold   func(engine.Spec) <-chan struct{} // it answers when that is closed; may be nil
	wg     sync.WaitGroup

	mu     sync.Mutex
	live   map[string]*memInstance // guarded by mu
	starts []engine.Spec           // guarded by mu
	moved  chan struct{}           // guarded by mu: closed when live changes
}

func (e *memEngine) Start(_ context.Context, spec engine.Spec) (engine.Instance, error) {
	if e.refuse != nil {
		if err := e.refuse(spec); err != nil {
			return nil, err
		}
	}
	i := &memInstance{e: e, spec: spec, kill: make(chan struct{}), done: make(chan struct{})}
	if e.hold != nil {
		i.hold = e.hold(spec)
	}
	e.mu.Lock()
	e.starts = append(e.starts, spec)
	e.mu.Unlock()
	i.greet()
	e.move(i.spec.ID, i)
	e.wg.Go(i.run)
	return i, nil
}

// move notes that an instance came, or went (nil).
func (e *memEngine) move(id string, i *memInstance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live == nil {
		e.live, e.moved = map[string]*memInstance{}, make(chan struct{})
	}
	if i == nil {
		delete(e.live, id)
	} else {
		e.live[id] = i
	}
	close(e.moved)
	e.moved = make(chan struct{})
}

// alive returns what runs, in no order, and a channel that is closed when that
// changes.
func (e *memEngine) alive() ([]engine.Spec, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live == nil {
		e.live, e.moved = map[string]*memInstance{}, make(chan struct{})
	}
	var all []engine.Spec
	for i := range maps.Values(e.live) {
		all = append(all, i.spec)
	}
	return all, e.moved
}

func (e *memEngine) started() []engine.Spec {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.starts)
}

// await waits until exactly these revisions run, each as often as it is named.
func (e *memEngine) await(t *testing.T, want ...fn.RevisionRef) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		alive, moved := e.alive()
		var got []fn.RevisionRef
		for _, s := range alive {
			got = append(got, s.Revision)
		}
		if sameBag(got, want) {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			t.Fatalf("these run: %v, want %v", got, want)
		}
	}
}

func sameBag(a, b []fn.RevisionRef) bool {
	count := map[fn.RevisionRef]int{}
	for _, r := range a {
		count[r]++
	}
	for _, r := range b {
		count[r]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func (*memEngine) Recover(context.Context) (engine.Leftovers, error) { return engine.Leftovers{}, nil }
func (*memEngine) Close() error                                      { return nil }

type memInstance struct {
	e    *memEngine
	spec engine.Spec
	hold <-chan struct{}
	kill chan struct{}
	done chan struct{}
	once sync.Once

	conns sync.WaitGroup
	mu    sync.Mutex
	open  []net.Conn // guarded by mu
	dead  bool       // guarded by mu
}

// greet is what the program prints before it answers anybody.
func (i *memInstance) greet() {
	if i.spec.Stdout != nil {
		_, _ = io.WriteString(i.spec.Stdout, "hello from "+filepath.Base(i.spec.Root)+"\n")
	}
}

func (i *memInstance) run() {
	<-i.kill
	i.mu.Lock()
	i.dead = true
	for _, c := range i.open {
		_ = c.Close()
	}
	i.mu.Unlock()
	i.conns.Wait()
	i.e.move(i.spec.ID, nil)
	close(i.done)
}

func (i *memInstance) Dial(context.Context) (net.Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dead {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	i.open = append(i.open, far)
	i.conns.Go(func() { i.serve(far) })
	return near, nil
}

func (i *memInstance) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		if i.hold != nil {
			select {
			case <-i.hold:
			case <-i.kill:
				return
			}
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

func (i *memInstance) ID() string            { return i.spec.ID }
func (i *memInstance) Done() <-chan struct{} { return i.done }
func (i *memInstance) Exit() engine.Exit     { return engine.Exit{Code: -1, Signal: "killed"} }

func (i *memInstance) Stop(context.Context, time.Duration) error {
	i.once.Do(func() { close(i.kill) })
	<-i.done
	return nil
}

package pool

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memEngine is an engine whose instances are goroutines behind in-memory
// connections: everything but the kernel is real.
type memEngine struct {
	boot time.Duration // from Start until connections are answered
	mute bool          // never answers
	dumb string        // name of a function that never answers
	port bool          // refuses connections until boot is over, as a TCP port does

	starts atomic.Int64
	burn   atomic.Int64 // thousandths of a core that all instances use together
	asked  atomic.Int64 // how often a meter was read
	mu     sync.Mutex
	dieAt  func(n int64) time.Duration // guarded by mu: life of the n-th instance, 0: for ever
	live   map[string]*memInstance     // guarded by mu
}

func (e *memEngine) Start(ctx context.Context, spec engine.Spec) (engine.Instance, error) {
	n := e.starts.Add(1)
	i := &memInstance{e: e, mute: e.mute || e.dumb == spec.Revision.Name, id: spec.ID, files: spec.Files, began: time.Now(), done: make(chan struct{}), dying: make(chan struct{}), kill: make(chan engine.Exit, 1)}
	e.mu.Lock()
	if e.live == nil {
		e.live = map[string]*memInstance{}
	}
	e.live[i.id] = i
	var life time.Duration
	if e.dieAt != nil {
		life = e.dieAt(n)
	}
	e.mu.Unlock()
	go i.run(life)
	return i, nil
}

func (e *memEngine) Recover(context.Context) (engine.Leftovers, error) {
	return engine.Leftovers{}, nil
}
func (e *memEngine) Close() error { return nil }

func (e *memEngine) alive() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

type memInstance struct {
	e     *memEngine
	mute  bool
	id    string
	began time.Time
	done  chan struct{}
	dying chan struct{}
	kill  chan engine.Exit
	exit  engine.Exit // valid after done
	files []engine.File

	conns   sync.WaitGroup
	mu      sync.Mutex
	open    []net.Conn // guarded by mu
	dead    bool       // guarded by mu
	cpu     float64    // guarded by mu: seconds used until read
	read    time.Time  // guarded by mu
	frozen  atomic.Bool
	freezes atomic.Int64
}

func (i *memInstance) run(life time.Duration) {
	var end <-chan time.Time
	if life > 0 {
		t := time.NewTimer(life)
		defer t.Stop()
		end = t.C
	}
	select {
	case i.exit = <-i.kill:
	case <-end:
		i.exit = engine.Exit{Code: 3}
	}
	close(i.dying)
	i.mu.Lock()
	i.dead = true
	for _, c := range i.open {
		c.Close()
	}
	i.mu.Unlock()
	i.conns.Wait()
	i.e.mu.Lock()
	delete(i.e.live, i.id)
	i.e.mu.Unlock()
	close(i.done)
}

func (i *memInstance) ID() string            { return i.id }
func (i *memInstance) Done() <-chan struct{} { return i.done }
func (i *memInstance) Exit() engine.Exit     { return i.exit }

func (i *memInstance) Dial(context.Context) (net.Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dead || i.e.port && (i.mute || time.Since(i.began) < i.e.boot) {
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
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if i.mute {
			_, _ = io.Copy(io.Discard, c)
			return
		}
		if wait := i.e.boot - time.Since(i.began); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-i.dying:
				return
			}
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

func (i *memInstance) Stop(ctx context.Context, grace time.Duration) error {
	select {
	case i.kill <- engine.Exit{Code: -1, Signal: "killed"}:
	default:
	}
	<-i.done
	return nil
}

// Usage implements engine.Meter: what is burnt is shared between those alive.
func (i *memInstance) Usage() (engine.Usage, error) {
	i.e.asked.Add(1)
	share := float64(i.e.burn.Load()) / 1000 / float64(max(i.e.alive(), 1))
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.read.IsZero() {
		i.read = i.began
	}
	now := time.Now()
	i.cpu += share * now.Sub(i.read).Seconds()
	i.read = now
	return engine.Usage{CPU: time.Duration(i.cpu * float64(time.Second))}, nil
}

func (i *memInstance) Freeze(context.Context) error {
	i.frozen.Store(true)
	i.freezes.Add(1)
	return nil
}
func (i *memInstance) Thaw(context.Context) error { i.frozen.Store(false); return nil }

// oneSource starts every revision the same way.
type oneSource struct{ launch Launch }

func (s oneSource) Launch(context.Context, fn.RevisionRef) (Launch, error) { return s.launch, nil }

type noLogs struct{}

func (noLogs) Writer(fn.RevisionRef, string, string, func() (fn.CallID, bool)) io.WriteCloser {
	return nopCloser{io.Discard}
}
func (noLogs) Last(string) []string { return []string{"last words"} }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

var rev1 = fn.RevisionRef{Ref: fn.Ref{Namespace: "default", Name: "f"}, Number: 1}

// policy is the default one with changes.
func policy(change func(*fn.Policy)) fn.Policy {
	p := fn.Default()
	if change != nil {
		change(&p)
	}
	return p
}

// inBubble runs a test with a running pool inside a synctest bubble, and makes
// sure that the pool ends and leaves no instance.
func inBubble(t *testing.T, e *memEngine, p fn.Policy, f func(t *testing.T, p *Pool)) {
	t.Helper()
	listen := fn.ListenSocket
	if e.port {
		listen = fn.ListenPort
	}
	inBubbleWith(t, e, Config{
		Engine: e, Source: oneSource{Launch{Policy: p, Program: fn.Program{Listen: listen}}}, StartsAtOnce: 100,
	}, f)
}

// inBubbleWith is inBubble for a pool of another configuration.
func inBubbleWith(t *testing.T, e *memEngine, cfg Config, f func(t *testing.T, p *Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Logs, cfg.Log = noLogs{}, slog.New(slog.DiscardHandler)
		pool := New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- pool.Run(ctx) }()
		f(t, pool)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := e.alive(); n != 0 {
			t.Errorf("%d instances outlived the pool", n)
		}
	})
}

// must admits a call or fails the test.
func must(t *testing.T, p *Pool) *Slot {
	t.Helper()
	s, err := p.Admit(t.Context(), &rev1, fn.CallID{})
	if err != nil {
		t.Fatalf("Admit: %v", err)
	}
	return s
}

// spend lets fake time go by.
func spend(d time.Duration) {
	t := time.NewTimer(d)
	<-t.C
}

// pass lets fake time go by and everything come to rest. It is for the
// test's main goroutine.
func pass(d time.Duration) {
	spend(d)
	synctest.Wait()
}

// finish ends a call that the function has answered.
func (s *Slot) finish() {
	s.Answered = true
	s.Release(true)
}

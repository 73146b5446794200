package openfaas_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/engine"
)

// memEngine is an engine whose instances are goroutines behind in-memory
// connections. Variables of a function choose what they do: PRINT is printed
// at the start, FAIL keeps it from starting, HOLD lets it answer only once the
// gate is open.
type memEngine struct {
	gate   chan struct{} // closed: instances with HOLD answer
	starts atomic.Int64
	slow   atomic.Bool // all have HOLD from now on
	wg     sync.WaitGroup
}

func (e *memEngine) Start(_ context.Context, spec engine.Spec) (engine.Instance, error) {
	e.starts.Add(1)
	i := &memInstance{spec: spec, kill: make(chan struct{}), done: make(chan struct{})}
	if text := spec.Env["PRINT"]; text != "" {
		_, _ = io.WriteString(spec.Stdout, text+"\n")
	}
	if text := spec.Env["FAIL"]; text != "" {
		_, _ = io.WriteString(spec.Stderr, text+"\n")
		i.dead = true
		close(i.kill)
	}
	if spec.Env["HOLD"] != "" || e.slow.Load() {
		i.gate = e.gate
	}
	e.wg.Go(i.run)
	return i, nil
}

func (*memEngine) Recover(context.Context) (engine.Leftovers, error) { return engine.Leftovers{}, nil }
func (*memEngine) Close() error                                      { return nil }

type memInstance struct {
	spec engine.Spec
	gate <-chan struct{}
	kill chan struct{}
	done chan struct{}
	once sync.Once
	used atomic.Int64 // looks at its usage

	conns sync.WaitGroup
	mu    sync.Mutex
	open  []net.Conn // guarded by mu
	dead  bool       // guarded by mu
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
		if i.gate != nil {
			select {
			case <-i.gate:
			case <-i.kill:
				return
			}
		}
		body := i.spec.Env["fprocess"]
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			return
		}
	}
}

func (i *memInstance) ID() string            { return i.spec.ID }
func (i *memInstance) Done() <-chan struct{} { return i.done }

func (i *memInstance) Exit() engine.Exit {
	if i.spec.Env["FAIL"] != "" {
		return engine.Exit{Code: 3}
	}
	return engine.Exit{Code: -1, Signal: "killed"}
}

// Usage grows by a tenth of a second of processor time at each look.
func (i *memInstance) Usage() (engine.Usage, error) {
	return engine.Usage{Memory: 1 << 20, CPU: time.Duration(i.used.Add(1)) * 100 * time.Millisecond}, nil
}

func (i *memInstance) Stop(context.Context, time.Duration) error {
	i.once.Do(func() {
		if i.spec.Env["FAIL"] == "" {
			close(i.kill)
		}
	})
	<-i.done
	return nil
}

package launch

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Forkers are the OS threads that make processes. They live as long as the
// server: a child's parent-death signal fires when the thread that made it
// ends, so no child may come from a thread the Go runtime might retire.
type Forkers struct {
	jobs chan *job
	done sync.WaitGroup
	once sync.Once
	stop chan struct{}
}

type job struct {
	req  *Request
	exec bool
	out  chan result
}

type result struct {
	proc Process
	err  error
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("launch: closed")

// New starts n threads.
func New(n int) *Forkers {
	f := &Forkers{jobs: make(chan *job), stop: make(chan struct{})}
	for range n {
		f.done.Go(f.loop)
	}
	return f
}

// Exec makes a process whose last call is an execve and returns once it has
// run. A *Error says which call failed; then no process is left. ctx bounds
// the wait for a free thread only: a clone that has begun is finished.
func (f *Forkers) Exec(ctx context.Context, req *Request) (Process, error) {
	return f.do(ctx, req, true)
}

// Run makes a process that ends after its last call, and waits for it. With
// CLONE_FILES in the flags, descriptors it opens become ours.
func (f *Forkers) Run(ctx context.Context, req *Request) error {
	_, err := f.do(ctx, req, false)
	return err
}

// Close ends the threads; children that asked for a parent-death signal get
// it now.
func (f *Forkers) Close() {
	f.once.Do(func() { close(f.stop) })
	f.done.Wait()
}

func (f *Forkers) do(ctx context.Context, req *Request, exec bool) (Process, error) {
	j := &job{req: req, exec: exec, out: make(chan result, 1)}
	select {
	case f.jobs <- j:
	case <-ctx.Done():
		return Process{}, context.Cause(ctx)
	case <-f.stop:
		return Process{}, ErrClosed
	}
	r := <-j.out
	return r.proc, r.err
}

// loop never unlocks its thread, so the runtime ends the thread with it. The
// main thread would not end: it is left to others.
func (f *Forkers) loop() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		f.done.Go(f.loop) // while this goroutine keeps the main thread
		<-f.stop
		runtime.UnlockOSThread()
		return
	}
	for {
		select {
		case j := <-f.jobs:
			proc, err := start(j.req, j.exec)
			j.out <- result{proc, err}
		case <-f.stop:
			return
		}
	}
}

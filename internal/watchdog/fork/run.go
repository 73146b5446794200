package fork

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Job is one run of a program.
type Job struct {
	Program string   // its path
	Argv    []string // its name and arguments
	Env     []string // all of its environment

	Stdin     io.Reader // goes to the program; an error other than io.EOF ends it
	Interrupt func()    // makes a Read of Stdin return, once the program has ended; nil: it never blocks

	Stdout func(piece []byte) error // gets what the program prints, as it prints it; an error ends it
	Stderr io.Writer                // nil: the same as Stdout, in the order of printing
}

// linger is how long output is waited for after the program ended: only a
// program that left its own process group can keep it open.
const linger = time.Second

// run is a Job at work.
type run struct {
	Job
	cancel context.CancelCauseFunc
	fed    atomic.Bool // the program has been given all of the input
	over   atomic.Bool // the program has ended
}

// Run starts the program, moves bytes both ways and waits for everything. When
// ctx ends the program is killed with all of its process group. The error is
// an *Exit if the program failed or was killed (Cause is ctx's, Stdout's error,
// or ErrGone if the input broke off), Unavailable if it could not be started,
// and Stdout's error if it ended well nevertheless.
func (c *Children) Run(ctx context.Context, j Job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := OpenPipes()
	if err != nil {
		return err
	}
	defer p.Close()
	files := p.Child()
	if j.Stderr == nil {
		files[2] = files[1]
	}
	kid, err := c.Start(j.Program, j.Argv, j.Env, files)
	if err != nil {
		return fn.Errorf(fn.Unavailable, "starting %s: %w", j.Argv[0], err)
	}
	p.CloseChild()
	r := &run{Job: j, cancel: cancel}
	var copies sync.WaitGroup
	copies.Go(func() { r.feed(p.Stdin) })
	copies.Go(func() { r.collect(p.Stderr) })
	var end Exit
	copies.Go(func() {
		end.Status = c.wait(ctx, kid)
		end.Cause = context.Cause(ctx) // what ends ctx from here on did not end the program
		r.finish(p)
	})
	err = r.stream(p.Stdout)
	if err != nil {
		cancel(err)
	}
	copies.Wait()
	if end.Status != 0 {
		return &end
	}
	return err
}

// finish comes when the program has ended: nothing may wait for it any more.
func (r *run) finish(p *Pipes) {
	r.over.Store(true)
	r.hurry(p.Stdout)
	r.hurry(p.Stderr)
	p.Stdin.Close()
	if !r.fed.Load() && r.Interrupt != nil {
		r.Interrupt()
	}
}

// feed gives the input to the program. A caller that leaves in the middle of
// it ends the call; a program that does not read it does not. Input that is
// cut off must not look like its end: finish closes the pipe then.
func (r *run) feed(stdin *os.File) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Stdin.Read(buf)
		_, werr := stdin.Write(buf[:n])
		switch {
		case errors.Is(err, io.EOF):
			r.fed.Store(true)
			stdin.Close()
			return
		case werr != nil, r.over.Load():
			return
		case err != nil:
			r.cancel(ErrGone)
			return
		}
	}
}

// hurry bounds the next wait for output once the program has ended. Each
// reader calls it before a read: its own time, spent on a slow caller, must
// not count.
func (r *run) hurry(f *os.File) {
	if r.over.Load() {
		_ = f.SetReadDeadline(time.Now().Add(linger)) // pipes have deadlines
	}
}

// stream hands on what the program prints, as it prints it.
func (r *run) stream(stdout *os.File) error {
	buf := make([]byte, 32<<10)
	for {
		r.hurry(stdout)
		n, err := stdout.Read(buf)
		if n > 0 {
			if err := r.Stdout(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil { // the end, or no more waiting for it
			return nil //nolint:nilerr // how the program ended tells
		}
	}
}

// collect hands on what the program prints on standard error.
func (r *run) collect(stderr *os.File) {
	buf := make([]byte, 8<<10)
	for {
		r.hurry(stderr)
		n, err := stderr.Read(buf)
		if n > 0 {
			_, _ = r.Stderr.Write(buf[:n]) // the log has nowhere to complain
		}
		if err != nil {
			return
		}
	}
}

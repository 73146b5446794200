package openfaas

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/watchdog/fork"
)

// upstream is the function's own server in mode http: one program for all
// requests. A nil one never ends.
type upstream struct {
	kids   *fork.Children
	kid    *fork.Child
	pipes  *fork.Pipes
	copies sync.WaitGroup // of its output to the log
}

func (w *watchdog) startUpstream() (*upstream, error) {
	p, err := fork.OpenPipes()
	if err != nil {
		return nil, err
	}
	w.log.printf("", "Forking: %s, arguments: %q", w.argv[0], w.argv[1:])
	kid, err := w.kids.Start(w.program, w.argv, w.env, p.Child())
	if err != nil {
		p.Close()
		return nil, fn.Errorf(fn.Unavailable, "watchdog: starting %s: %w", w.argv[0], err)
	}
	p.CloseChild() // its standard input stays open and empty: some servers end with it
	u := &upstream{kids: w.kids, kid: kid, pipes: p}
	for stream, f := range map[string]io.Reader{"stdout": p.Stdout, "stderr": p.Stderr} {
		u.copies.Go(func() {
			lines := w.lines(stream, "")
			_, _ = io.Copy(lines, f) // until its end or the deadline of stop
			lines.Flush()
		})
	}
	return u, nil
}

// ended is closed when the program has ended.
func (u *upstream) ended() <-chan struct{} {
	if u == nil {
		return nil
	}
	return u.kid.Ended()
}

// err says how it ended.
func (u *upstream) err() error {
	if err := u.kid.Err(); err != nil {
		return err
	}
	return fn.Errorf(fn.Failed, "the program ended although it had to stay")
}

// awaitListening dials until the server listens, at first often, for a start
// takes milliseconds with some and seconds with others. It is false when ctx
// or the program ended first.
func (u *upstream) awaitListening(ctx context.Context, to *url.URL) bool {
	const first, most = time.Millisecond, 20 * time.Millisecond
	var d net.Dialer
	t := time.NewTimer(0)
	defer t.Stop()
	for pause := first; ; pause = min(2*pause, most) {
		select {
		case <-ctx.Done():
			return false
		case <-u.ended():
			return false
		case <-t.C:
		}
		if c, err := d.DialContext(ctx, "tcp", dialAddress(to)); err == nil {
			c.Close()
			return true
		}
		t.Reset(pause)
	}
}

// dialAddress adds the port that http has if none is given.
func dialAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// stop asks the program to end, makes it, and waits for its last words.
func (u *upstream) stop() {
	u.kids.Signal(u.kid, unix.SIGTERM)
	t := time.NewTimer(stopGrace)
	defer t.Stop()
	select {
	case <-u.ended():
	case <-t.C:
		u.kids.Signal(u.kid, unix.SIGKILL)
		<-u.ended()
	}
	soon := time.Now().Add(time.Second) // something it left behind may hold the pipes
	_ = u.pipes.Stdout.SetReadDeadline(soon)
	_ = u.pipes.Stderr.SetReadDeadline(soon)
	u.copies.Wait()
	u.pipes.Close()
}

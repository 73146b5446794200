package pool

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// awaitReady returns the first connection once the program answers. It gives
// up when ctx ends or the program does, or the revision is forgotten.
func (i *instance) awaitReady(ctx context.Context) (*Slot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	i.g.p.spawn(func(context.Context) {
		select {
		case <-i.box.Done():
			cancel()
		case <-i.g.forgotten:
			cancel()
		case <-ended:
		}
	})
	if i.g.launch.Program.Listen == fn.ListenPort {
		return i.awaitPort(ctx)
	}
	return i.awaitAnswer(ctx)
}

// awaitPort dials until the program listens.
func (i *instance) awaitPort(ctx context.Context) (*Slot, error) {
	const first, most = 500 * time.Microsecond, 20 * time.Millisecond
	t := time.NewTimer(0)
	defer t.Stop()
	for pause := first; ; pause = min(2*pause, most) {
		c, err := i.box.Dial(ctx)
		if err == nil {
			return &Slot{Conn: wire.NewConn(c), Instance: i.id, inst: i, parked: time.Now()}, nil
		}
		t.Reset(pause)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the port: %w", err)
		case <-t.C:
		}
	}
}

// awaitAnswer asks the shim for OPTIONS *, which servers answer by themselves
// (RFC 9110 §9.3.7): the handler never sees it. The connection is made before
// the program accepts, so the answer comes as early as it can.
func (i *instance) awaitAnswer(ctx context.Context) (*Slot, error) {
	c, err := i.box.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	fail := func(doing string, err error) (*Slot, error) {
		stop()
		_ = c.Close()
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: rouse\r\n\r\n"); err != nil {
		return fail("asking whether it is ready", err)
	}
	const most = 64 << 10 // a ready answer is a few bytes
	br := bufio.NewReaderSize(io.LimitReader(c, most), 4096)
	res, err := http.ReadResponse(br, &http.Request{Method: http.MethodOptions})
	if err != nil {
		return fail("waiting for its first answer", err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fail("reading its first answer", err)
	}
	if !stop() {
		return fail("waiting for its first answer", context.Cause(ctx))
	}
	if res.Close || br.Buffered() > 0 { // not fit to be kept alive
		_ = c.Close()
		c, err = i.box.Dial(ctx)
		if err != nil {
			return nil, fmt.Errorf("connecting again: %w", err)
		}
	}
	return &Slot{Conn: wire.NewConn(c), Instance: i.id, inst: i, parked: time.Now()}, nil
}

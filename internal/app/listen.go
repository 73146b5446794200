package app

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// takeoverTime is how long an address that is in use is tried again. A sandbox
// that a killed server was just making holds the server's listener until its
// program runs, some milliseconds later.
const takeoverTime = time.Second

// listen opens the listener of the server.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	const every = 20 * time.Millisecond
	limit := time.NewTimer(takeoverTime)
	defer limit.Stop()
	for {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err == nil {
			return ln, nil
		}
		err = fn.WithHint(fn.Errorf(fn.Unavailable, "listening on %s: %w", addr, err),
			"stop what uses that address, or choose another with --listen")
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		again := time.NewTimer(every)
		select {
		case <-again.C:
		case <-limit.C:
			again.Stop()
			return nil, err
		case <-ctx.Done():
			again.Stop()
			return nil, err
		}
	}
}

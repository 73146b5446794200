package cli

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// healthWait is how long a server may take to say that it is there.
const healthWait = 5 * time.Second

// ensureServer makes sure that a server answers, starting one if none does
// and the user did not name one. stop ends the one it started and waits.
func (c *cli) ensureServer(ctx context.Context) (stop func() error, err error) {
	nothing := func() error { return nil }
	cl, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	asking, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	_, err = cl.Health(asking)
	op, ok := errors.AsType[*net.OpError](err)
	if err == nil || !ok || op.Op != "dial" || c.Up == nil || c.url != "" || c.env(envURL) != "" {
		return nothing, err
	}
	return c.startServer(ctx)
}

func (c *cli) startServer(ctx context.Context) (stop func() error, err error) {
	cfg, err := c.config(nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	var server sync.WaitGroup
	server.Go(func() {
		ended <- c.Up(ctx, cfg, func(r Ready) {
			c.welcome(cfg, r)
			close(ready)
		})
	})
	stop = func() error {
		cancel()
		server.Wait()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	select {
	case <-ready:
		return stop, nil
	case err := <-ended:
		cancel()
		if err == nil {
			err = fn.Errorf(fn.Unavailable, "the server ended before it was ready")
		}
		return nil, err
	}
}

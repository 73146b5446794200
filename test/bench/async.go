package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const asyncBody = 256 // bytes of a call's body

// async measures calls whose callers do not wait: how fast they are accepted,
// which each time means that they are on disk, and how fast they are carried
// out.
func async(ctx context.Context, h *host, o options) error {
	fmt.Printf("\n== asynchronous calls with %d bytes, over HTTP: %d alternations of %v\n", asyncBody, o.rounds, o.period)
	if _, err := h.direct0(ctx); err != nil {
		return err
	}
	if err := h.rouse(ctx, "deploy", filepath.Join(h.dir, "hello")); err != nil {
		return err
	}
	fmt.Printf("  %8s %14s %10s %10s %14s\n", "clients", "accepted/s", "p50", "p99", "CPU server")
	for _, clients := range []int{16, 128, 1000} {
		if err := h.accepting(ctx, clients, o); err != nil {
			return err
		}
	}
	return h.carryOut(ctx, o)
}

func (h *host) accepting(ctx context.Context, clients int, o options) error {
	var rate, used []float64
	var p50, p99 []time.Duration
	for round := range o.rounds + 1 { // the first one warms up
		before := cpu(h.server.cmd.Process.Pid)
		began := time.Now()
		took, err := h.submit(ctx, clients, func(int64) bool { return time.Since(began) < o.period })
		if err != nil {
			return err
		}
		elapsed, spent := time.Since(began), cpu(h.server.cmd.Process.Pid)-before
		if err := h.idle(ctx); err != nil {
			return err
		}
		if round > 0 {
			rate, used = append(rate, float64(len(took))/elapsed.Seconds()), append(used, float64(spent.Microseconds())/float64(len(took)))
			p50, p99 = append(p50, median(took)), append(p99, quantile(took, 0.99))
		}
	}
	fmt.Printf("  %8d %14.0f %10s %10s %11.0f µs\n", clients, median(rate), ms(median(p50)), ms(median(p99)), median(used))
	return nil
}

// submit sends calls from a number of clients while more says so.
func (h *host) submit(ctx context.Context, clients int, more func(n int64) bool) ([]time.Duration, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	took := make([][]time.Duration, clients)
	errs := make([]error, clients)
	body := strings.Repeat("x", asyncBody)
	var n atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for more(n.Add(1)) && errs[i] == nil {
				began := time.Now()
				errs[i] = submitOne(ctx, c, h.server.url+"/async-function/hello", body)
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(took...), nil
}

func submitOne(ctx context.Context, c *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	return err
}

// carryOut takes the time from the first of 10,000 calls until all are done.
func (h *host) carryOut(ctx context.Context, o options) error {
	const calls = 10_000
	var accepted, done []time.Duration
	for range o.rounds {
		began := time.Now()
		if _, err := h.submit(ctx, 128, func(n int64) bool { return n <= calls }); err != nil {
			return err
		}
		accepted = append(accepted, time.Since(began))
		if err := h.idle(ctx); err != nil {
			return err
		}
		done = append(done, time.Since(began))
	}
	fmt.Printf("  %d calls from 128 clients: accepted after %s, done after %s (%.0f a second)\n", calls, ms(median(accepted)), ms(median(done)),
		calls/median(done).Seconds())
	return nil
}

// idle waits until no asynchronous call waits or runs.
func (h *host) idle(ctx context.Context) error {
	c, err := h.client()
	if err != nil {
		return err
	}
	for range 60_000 {
		streams, err := c.Queue(ctx)
		if err != nil {
			return err
		}
		left := 0
		for _, s := range streams {
			left += s.Waiting + s.Delayed + s.Running
		}
		if left == 0 {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("calls are left that nobody carries out")
}

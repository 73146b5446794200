package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

// crowd is a server with a number of registered functions.
type crowd struct {
	n      int
	data   string
	server *server
	memory []int64
	start  []time.Duration
	load   side
}

// many measures what registered functions cost that nobody calls: memory,
// the latency of a warm call, the start of the server. The servers run side
// by side and are called in turn, one connection each.
func many(ctx context.Context, h *host, o options) error {
	fmt.Printf("\n== registered functions that nobody calls: %d alternations of %v, one connection\n", o.rounds, o.period)
	crowds, err := h.crowds(ctx, 0, 1000, 10_000)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range crowds {
			if c.server != nil {
				c.server.stop()
			}
		}
	}()
	for range o.rounds {
		for _, c := range crowds {
			if err := c.restart(ctx, h); err != nil {
				return err
			}
		}
	}
	for round := range o.rounds + 1 {
		for _, c := range crowds {
			if err := c.load.load(ctx, 1, o.period, round > 0); err != nil {
				return err
			}
		}
	}
	reportMany(crowds)
	return nil
}

// crowds makes a data folder for each number of functions: that of a server
// with one function, copied, and the function copied in it.
func (h *host) crowds(ctx context.Context, numbers ...int) ([]*crowd, error) {
	if _, err := h.direct0(ctx); err != nil {
		return nil, err
	}
	if err := h.rouse(ctx, "deploy", filepath.Join(h.dir, "hello")); err != nil {
		return nil, err
	}
	data := h.server.data
	h.server.stop()
	h.server = nil
	var all []*crowd
	for _, n := range numbers {
		c := &crowd{n: n, data: filepath.Join(h.dir, fmt.Sprintf("d%d", n))}
		if err := os.CopyFS(c.data, os.DirFS(data)); err != nil {
			return nil, err
		}
		if err := register(ctx, c.data, n); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	var err error
	h.server, _, err = h.start(ctx, data)
	return all, err
}

// restart starts the server anew and looks at it while it is idle.
func (c *crowd) restart(ctx context.Context, h *host) error {
	if c.server != nil {
		c.server.stop()
		c.server = nil
	}
	s, took, err := h.start(ctx, c.data)
	if err != nil {
		return err
	}
	c.server = s
	c.start = append(c.start, took)
	time.Sleep(time.Second)
	c.memory = append(c.memory, rss(s.cmd.Process.Pid))
	c.load.name, c.load.url = "rouse", s.url+"/function/hello"
	c.load.pids = func() []int { return nil }
	return nil
}

func reportMany(crowds []*crowd) {
	none := crowds[0]
	fmt.Printf("  %9s %12s %12s %14s %10s %10s %14s\n", "functions", "idle memory", "a function", "start → ready", "warm p50", "warm p99", "p99 ÷ none's")
	for _, c := range crowds {
		each := "–"
		if c.n > 0 {
			each = fmt.Sprintf("%.2f KiB", float64(median(c.memory)-median(none.memory))/float64(c.n)/1024)
		}
		fmt.Printf("  %9d %8.1f MiB %12s %14s %10s %10s %14.2f\n", c.n, float64(median(c.memory))/(1<<20), each, ms(median(c.start)),
			us(median(c.load.p50)), us(median(c.load.p99)), c.p99Over(none))
	}
	last := crowds[len(crowds)-1]
	per := float64(median(last.memory)-median(none.memory)) / float64(last.n)
	fmt.Printf("  aim: with none ≤ 60 MB: %s; with %d ≤ 2 KB a function: %s; ready ≤ 1 s: %s; warm p99 within 10 %%: %s\n",
		verdict(median(none.memory) <= 60e6), last.n, verdict(per <= 2000),
		verdict(median(last.start) <= time.Second), verdict(last.p99Over(none) <= 1.1))
}

// p99Over is the median ratio, pair by pair, of the p99 of a warm call.
func (c *crowd) p99Over(o *crowd) float64 {
	var mine, other []float64
	for i := range c.load.p99 {
		mine, other = append(mine, float64(c.load.p99[i])), append(other, float64(o.load.p99[i]))
	}
	return median(ratios(mine, other))
}

// direct0 makes sure that the sources of the hello function are there.
func (h *host) direct0(ctx context.Context) (string, error) {
	return h.write("hello", map[string]string{
		"rouse.yaml": "name: hello\nruntime: go\nscale: {max: 1, concurrency: 1000}\nlimits: {cpu: 2}\n",
		"go.mod":     "module hello\n\ngo 1.26\n", "handler.go": handlerGo,
	})
}

// register copies the stored hello function under further names until there
// are n of them: what n deploys would leave in the store.
func register(ctx context.Context, data string, n int) error {
	if n == 0 {
		return nil
	}
	dir, err := datadir.Open(data)
	if err != nil {
		return err
	}
	defer dir.Close()
	db, err := pebble.Open(dir.Store(), pebble.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer db.Close()
	function, err := db.Get(ctx, store.Key{Kind: "functions", Namespace: "default", Name: "hello"})
	if err != nil {
		return err
	}
	revisions, _, err := db.List(ctx, store.Query{Kind: "revisions", Namespace: "default/hello"})
	if err != nil || len(revisions) == 0 {
		return fmt.Errorf("the hello function has no revision (%v)", err)
	}
	revision := revisions[len(revisions)-1]
	const batch = 200
	var changes []store.Change
	for i := range n {
		name := fmt.Sprintf("copy-%05d", i)
		changes = append(changes,
			rename(function, store.Key{Kind: "functions", Namespace: "default", Name: name}, name),
			rename(revision, store.Key{Kind: "revisions", Namespace: "default/" + name, Name: revision.Name}, name))
		if len(changes) >= batch || i == n-1 {
			if _, err := db.Apply(ctx, changes...); err != nil {
				return err
			}
			changes = changes[:0]
		}
	}
	return nil
}

// rename is the object under another function's name.
func rename(o store.Object, key store.Key, name string) store.Change {
	value := strings.Replace(string(o.Value), `"name":"hello"`, `"name":"`+name+`"`, 1)
	return store.Change{Key: key, Labels: o.Labels, Value: []byte(value), IfVersion: store.AnyVersion}
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

// many measures what registered functions cost that nobody calls: memory,
// the latency of a warm call, the start of the server.
func many(ctx context.Context, h *host, o options) error {
	fmt.Println("\n== registered functions that nobody calls")
	if _, err := h.direct0(ctx); err != nil {
		return err
	}
	if err := h.rouse(ctx, "deploy", filepath.Join(h.dir, "hello")); err != nil {
		return err
	}
	data := h.server.data
	h.server.stop()
	h.server = nil
	var empty int64
	var calm time.Duration
	fmt.Printf("  %9s %12s %14s %14s %12s\n", "functions", "idle memory", "a function", "start → ready", "warm p99")
	for _, n := range []int{0, 1000, 10_000} {
		if err := register(ctx, data, n); err != nil {
			return err
		}
		var memory []int64
		var start, p99 []time.Duration
		for range o.rounds {
			s, took, err := h.start(ctx, data)
			if err != nil {
				return err
			}
			h.server = s
			time.Sleep(time.Second)
			memory = append(memory, rss(s.cmd.Process.Pid))
			start = append(start, took)
			side := &side{name: "rouse", url: s.url + "/function/hello", pids: func() []int { return nil }}
			for _, count := range []bool{false, true} {
				if err := side.load(ctx, 32, o.period, count); err != nil {
					return err
				}
			}
			p99 = append(p99, side.p99[0])
			s.stop()
			h.server = nil
		}
		each := "–"
		if n == 0 {
			empty, calm = median(memory), median(p99)
		} else {
			each = fmt.Sprintf("%.2f KiB", float64(median(memory)-empty)/float64(n)/1024)
		}
		fmt.Printf("  %9d %8.1f MiB %14s %14s %12s\n", n, float64(median(memory))/(1<<20), each, ms(median(start)), us(median(p99)))
		switch n {
		case 0:
			fmt.Printf("  aim: ≤ 60 MB: %s\n", verdict(empty <= 60e6))
		case 10_000:
			per := float64(median(memory)-empty) / float64(n)
			fmt.Printf("  aim: ≤ 2 KB a function: %s; ready ≤ 1 s: %s; warm p99 within 10 %% of that with none: %s (%.2f)\n",
				verdict(per <= 2000), verdict(median(start) <= time.Second),
				verdict(float64(median(p99)) <= 1.1*float64(calm)), float64(median(p99))/float64(calm))
		}
	}
	var err error
	h.server, _, err = h.start(ctx, data)
	return err
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

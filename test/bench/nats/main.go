// Command nats measures an embedded NATS server with a JetStream file store:
// how many messages it accepts, each acknowledged to its publisher before that
// publisher sends the next. It prints one line of JSON.
//
// It is a module of its own so that the server it measures is no dependency of
// anything else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// clients is the number of connections that the publishers share.
const clients = 16

func main() {
	dir := flag.String("dir", "", "where the server keeps its files")
	publishers := flag.Int("publishers", 16, "publishers at once")
	period := flag.Duration("period", 3*time.Second, "how long they publish")
	size := flag.Int("size", 256, "bytes of a message")
	always := flag.Bool("sync", false, "sync every write before it is acknowledged (sync_interval: always)")
	flag.Parse()
	rate, p50, err := measure(*dir, *publishers, *size, *period, *always)
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]float64{"rate": rate, "p50": float64(p50)}); err != nil {
		os.Exit(1)
	}
}

func measure(dir string, publishers, size int, period time.Duration, always bool) (rate float64, p50 time.Duration, err error) {
	s, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: dir, DontListen: true, NoLog: true, NoSigs: true,
		SyncAlways: always,
	})
	if err != nil {
		return 0, 0, err
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(10 * time.Second) {
		return 0, 0, errors.New("the server does not start")
	}
	var streams []jetstream.JetStream
	for range clients {
		c, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			return 0, 0, err
		}
		defer c.Close()
		js, err := jetstream.New(c)
		if err != nil {
			return 0, 0, err
		}
		streams = append(streams, js)
	}
	ctx, cancel := context.WithTimeout(context.Background(), period+30*time.Second)
	defer cancel()
	_, err = streams[0].CreateStream(ctx, jetstream.StreamConfig{
		Name: "bench", Subjects: []string{"bench.>"}, Storage: jetstream.FileStorage, Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		return 0, 0, err
	}
	return publish(ctx, streams, publishers, size, period)
}

// publish lets all publishers work for period.
func publish(ctx context.Context, streams []jetstream.JetStream, publishers, size int, period time.Duration) (float64, time.Duration, error) {
	took := make([][]time.Duration, publishers)
	errs := make([]error, publishers)
	body := make([]byte, size)
	begin := time.Now()
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			js, subject := streams[p%len(streams)], fmt.Sprint("bench.", p%100)
			for at := time.Now(); at.Sub(begin) < period; {
				if _, err := js.Publish(ctx, subject, body); err != nil {
					errs[p] = err
					return
				}
				now := time.Now()
				took[p] = append(took[p], now.Sub(at))
				at = now
			}
		})
	}
	all.Wait()
	elapsed := time.Since(begin)
	times := slices.Concat(took...)
	if len(times) == 0 {
		return 0, 0, errors.Join(append(errs, errors.New("nothing was accepted"))...)
	}
	slices.Sort(times)
	return float64(len(times)) / elapsed.Seconds(), times[len(times)/2], errors.Join(errs...)
}

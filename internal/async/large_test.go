package async

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/memory"
)

// slowDisk is a queue that takes its time to keep results.
type slowDisk struct {
	*memory.Queue
	mu        sync.Mutex
	now, most int // guarded by mu: publishes of large results under way
}

func (q *slowDisk) Publish(ctx context.Context, ms ...queue.Message) error {
	if len(ms) == 1 && len(ms[0].Body) > spoolMemory {
		q.mu.Lock()
		q.now++
		q.most = max(q.most, q.now)
		q.mu.Unlock()
		sleep(ctx, time.Second)
		defer func() {
			q.mu.Lock()
			q.now--
			q.mu.Unlock()
		}()
	}
	return q.Queue.Publish(ctx, ms...)
}

func TestOnlyAFewLargeResultsAreInMemoryAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{Queue: memory.New(memory.Config{})}
		w := newWorld(t, disk.Queue, func(c *Config) {
			c.Queue = disk
		})
		w.withMail(func(int, *http.Request) (*http.Response, error) { return replied(http.StatusServiceUnavailable, "") })
		big := make([]byte, spoolMemory+1)
		ref := w.add("big", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(big) })
		small := w.add("small", answers(http.StatusOK, "ok"))
		w.run()
		const calls = 5 * largeAtOnce
		for i := range calls {
			w.must(Call{Ref: ref, ID: "big-" + strconv.Itoa(i), Callback: there})
		}
		w.must(Call{Ref: small, ID: "small", Callback: there})
		w.sleep(500 * time.Millisecond)
		if n := w.info("callback/default/small"); n.Waiting+n.Leased+n.Delayed != 1 {
			t.Errorf("a small result waits behind large ones: %+v", n)
		}
		w.sleep(10 * time.Second)
		if n := w.info("callback/default/big"); n.Waiting+n.Leased+n.Delayed != calls {
			t.Errorf("%+v results, want %d", n, calls)
		}
		disk.mu.Lock()
		most := disk.most
		disk.mu.Unlock()
		if most != largeAtOnce {
			t.Errorf("%d large results in memory at once, want %d", most, largeAtOnce)
		}
		w.end()
	})
}

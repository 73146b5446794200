package timer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a timer, its source, and the calls it has put into the queue.
type world struct {
	*Timer
	t       *testing.T
	end     func()
	changes chan Change

	mu    sync.Mutex
	calls []async.Call // guarded by mu
	fail  error        // guarded by mu: what Submit answers
}

func inBubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, changes: make(chan Change)}
		w.Timer = New(Config{Source: w, Calls: w})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		f(w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Follow implements Source.
func (w *world) Follow(ctx context.Context, change func(Change)) error {
	change(Change{Reset: true})
	for {
		select {
		case c := <-w.changes:
			change(c)
		case <-ctx.Done():
			return nil
		}
	}
}

// Submit implements Submitter.
func (w *world) Submit(_ context.Context, c async.Call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	w.calls = append(w.calls, c)
	return nil
}

// set changes a function's schedule; "" has none.
func (w *world) set(name, schedule string) {
	f := fn.Function{Ref: fn.Ref{Namespace: "default", Name: name}}
	if schedule != "" {
		f.Annotations = map[string]string{TopicAnnotation: Topic, ScheduleAnnotation: schedule}
	}
	w.changes <- Change{Function: f}
	synctest.Wait()
}

func (w *world) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// due lists what is in the queue: which function, when. The bubble's clock
// begins at midnight of 2000-01-01 UTC.
func (w *world) due() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.calls {
		out = append(out, fmt.Sprintf("%s %s", c.Ref.Name, c.Due.UTC().Format("15:04")))
	}
	w.calls = nil
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (w *world) wantDue(want string) {
	w.t.Helper()
	if got := w.due(); got != want {
		w.t.Errorf("in the queue: %s; want %s", got, want)
	}
}

func TestTheNextTickOfEachFunctionIsInTheQueue(t *testing.T) {
	inBubble(t, func(w *world) {
		w.set("a", "*/10 * * * *")
		w.set("b", "5 * * * *; 7 * * * *")
		w.set("none", "")
		w.wantDue("a 00:10, b 00:05")
		w.sleep(6 * time.Minute)
		w.wantDue("b 00:07")
		w.sleep(55 * time.Minute)
		w.wantDue("a 00:20, a 00:30, a 00:40, a 00:50, a 01:00, a 01:10, b 01:05")
	})
}

func TestACallOfATickSaysWhatItIs(t *testing.T) {
	inBubble(t, func(w *world) {
		w.set("a", "*/10 * * * *")
		c := w.calls[0]
		if c.Header.Get("X-Topic") != "cron-function" || c.Header.Get("X-Connector") != "cron-connector" || len(c.Body) > 0 ||
			c.While != (async.Condition{Annotation: "schedule", Value: "*/10 * * * *"}) || !async.ValidID(c.ID) {
			t.Errorf("%+v", c)
		}
	})
}

func TestTheSameTickIsTheSameCallAfterARestart(t *testing.T) {
	var ids []string
	for range 2 {
		inBubble(t, func(w *world) {
			w.set("a", "*/10 * * * *")
			w.sleep(time.Minute)
			ids = append(ids, w.calls[0].ID)
		})
	}
	if ids[0] != ids[1] {
		t.Error(ids)
	}
	inBubble(t, func(w *world) {
		w.set("a", "10 * * * *") // the same time by another schedule
		if w.calls[0].ID == ids[0] {
			t.Error("another schedule's tick has the same id")
		}
	})
}

func TestChangesCountAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.set("a", "*/10 * * * *")
		w.set("a", "*/10 * * * *") // deployed again
		w.wantDue("a 00:10")
		w.set("a", "*/20 * * * *")
		w.wantDue("a 00:20")
		w.set("a", "")
		w.sleep(time.Hour)
		w.wantDue("")
		w.set("a", "30 * * * *")
		w.changes <- Change{Function: fn.Function{Ref: fn.Ref{Namespace: "default", Name: "a"}}, Removed: true}
		w.sleep(2 * time.Hour)
		w.wantDue("a 01:30")
		w.set("b", "0 * * * *")
		w.set("c", "rubbish") // stored before it was checked
		w.changes <- Change{Reset: true}
		w.sleep(2 * time.Hour)
		w.wantDue("b 04:00")
		if len(w.byRef) != 0 || len(w.Timer.queue) != 0 {
			t.Error("something is left")
		}
	})
}

func TestAFullQueueDelaysATickAndLosesNone(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fail = fn.Errorf(fn.NoRoom, "full")
		w.set("a", "*/10 * * * *")
		w.sleep(25 * time.Minute)
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		w.sleep(2 * time.Second)
		w.wantDue("a 00:10, a 00:30") // one late, not two
	})
}

func TestAFunctionThatIsGoneIsForgotten(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fail = fn.Errorf(fn.NotFound, "gone")
		w.set("a", "*/10 * * * *")
		w.sleep(time.Hour)
		if len(w.byRef) != 0 {
			t.Error("not forgotten")
		}
	})
}

func TestManySchedulesCostOneGoroutine(t *testing.T) {
	inBubble(t, func(w *world) {
		for i := range 5000 {
			w.set(fmt.Sprint("f", i), fmt.Sprintf("%d * * * *", i%60))
		}
		w.sleep(time.Hour)
		w.mu.Lock()
		n := len(w.calls)
		w.mu.Unlock()
		if n != 10_000 {
			t.Errorf("%d calls, want one for each at once and one an hour later", n)
		}
	})
}

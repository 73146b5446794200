package async

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an engine on a queue in memory, functions that are Go handlers,
// and what became of their calls.
type world struct {
	*Engine
	t     *testing.T
	queue *memory.Queue
	end   func() // ends Run and waits

	mu        sync.Mutex
	functions map[fn.Ref]fn.Function      // guarded by mu
	handlers  map[string]http.HandlerFunc // guarded by mu: by NAME.NAMESPACE
	running   map[string]int              // guarded by mu
	most      map[string]int              // guarded by mu: most at once
	calls     map[string]int              // guarded by mu: by call id
	ends      map[string]time.Time        // guarded by mu: by call id: of the last end
}

// inBubble runs a test with an engine that runs, under virtual time.
func inBubble(t *testing.T, change func(*Config), f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New(memory.Config{}), change)
		w.run()
		f(w)
		w.end()
	})
}

func newWorld(t *testing.T, q *memory.Queue, change func(*Config)) *world {
	w := &world{
		t: t, queue: q, functions: map[fn.Ref]fn.Function{}, handlers: map[string]http.HandlerFunc{},
		running: map[string]int{}, most: map[string]int{}, calls: map[string]int{}, ends: map[string]time.Time{},
	}
	cfg := Config{Queue: q, Functions: w, Invoker: w, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Tmp: t.TempDir()}
	if change != nil {
		change(&cfg)
	}
	w.Engine = New(cfg)
	return w
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
}

// add makes a function of the default namespace.
func (w *world) add(name string, handler http.HandlerFunc, annotations ...string) fn.Ref {
	ref := fn.Ref{Namespace: fn.DefaultNamespace, Name: name}
	f := fn.Function{Ref: ref, Annotations: map[string]string{}, Spec: fn.Spec{Policy: fn.Default()}}
	for i := 0; i+1 < len(annotations); i += 2 {
		f.Annotations[annotations[i]] = annotations[i+1]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.functions[ref], w.handlers[name+".default"] = f, handler
	return ref
}

func (w *world) remove(ref fn.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.functions, ref)
}

// Stored implements Functions.
func (w *world) Stored(_ context.Context, ref fn.Ref) (fn.Function, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, ok := w.functions[ref]
	if !ok {
		return f, fn.Errorf(fn.NotFound, "there is no function %s", ref)
	}
	return f, nil
}

// Load implements Functions.
func (w *world) Load(ref fn.Ref) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running[ref.Name+"."+ref.Namespace]
}

// Invoke implements Invoker.
func (w *world) Invoke(rw http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/function/"), "/")
	id := r.Header.Get("X-Call-Id")
	w.mu.Lock()
	w.running[name]++
	w.most[name] = max(w.most[name], w.running[name])
	w.calls[id]++
	h := w.handlers[name]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.running[name]--
		w.ends[id] = time.Now()
		w.mu.Unlock()
	}()
	h(rw, r)
}

// submit sends a call that must be accepted.
func (w *world) submit(ref fn.Ref, id string) {
	w.t.Helper()
	w.must(Call{Ref: ref, ID: id})
}

func (w *world) must(c Call) {
	w.t.Helper()
	if err := w.Submit(w.t.Context(), c); err != nil {
		w.t.Fatalf("submitting %s: %v", c.ID, err)
	}
}

// count is how often calls were begun whose ids have a prefix.
func (w *world) begun(prefix string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for id, times := range w.calls {
		if strings.HasPrefix(id, prefix) {
			n += times
		}
	}
	return n
}

// info sums up the streams whose names begin with prefix.
func (w *world) info(prefix string) queue.Info {
	w.t.Helper()
	all, err := w.queue.Streams(w.t.Context(), prefix)
	if err != nil {
		w.t.Fatal(err)
	}
	var sum queue.Info
	for _, i := range all {
		sum.Waiting += i.Waiting
		sum.Delayed += i.Delayed
		sum.Leased += i.Leased
		sum.Buried += i.Buried
	}
	return sum
}

func (w *world) wantInfo(prefix string, want queue.Info) {
	w.t.Helper()
	if got := w.info(prefix); got != want {
		w.t.Errorf("%s: %+v, want %+v", prefix, got, want)
	}
}

// sleep lets virtual time pass.
func (w *world) sleep(d time.Duration) {
	sleep(w.t.Context(), d)
	synctest.Wait()
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// takes answers after a time, or breaks off when the call is ended.
func takes(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sleep(r.Context(), d)
		if r.Context().Err() != nil {
			w.Header().Set("X-Rouse-Cause", "client-left")
			w.WriteHeader(499)
			return
		}
		w.WriteHeader(200)
	}
}

func TestACallReachesTheFunctionAsItWasSent(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var got *http.Request
		var body []byte
		ref := w.add("f", func(_ http.ResponseWriter, r *http.Request) {
			got = r
			body, _ = io.ReadAll(r.Body)
		})
		w.must(Call{
			Ref: ref, ID: "id-1", Path: "/a%2Fb//c", Query: "q=%zz&x=1", Host: "example.org", From: "192.0.2.1:4",
			Header: http.Header{
				"X-Mine": {"caf\xe9", "two"}, "Connection": {"X-Gone"}, "X-Gone": {"1"}, "Te": {"trailers"}, "Content-Type": {"text/x"},
			},
			Body: []byte("hello"),
		})
		w.sleep(time.Second)
		if got == nil {
			t.Fatal("not called")
		}
		for name, want := range map[string]string{
			"X-Mine": "caf\xe9,two", "X-Gone": "", "Te": "", "Connection": "", "X-Call-Id": "id-1", "User-Agent": "rouse", "Content-Type": "text/x",
		} {
			if have := strings.Join(got.Header.Values(name), ","); have != want {
				t.Errorf("%s: %q, want %q", name, have, want)
			}
		}
		if got.RequestURI != "/function/f.default/a%2Fb//c?q=%zz&x=1" || got.Host != "example.org" || got.Method != "POST" || string(body) != "hello" || got.RemoteAddr != "192.0.2.1:4" {
			t.Errorf("%s %s %s %s %q", got.Method, got.RequestURI, got.Host, got.RemoteAddr, body)
		}
		w.wantInfo("", queue.Info{})
		if w.lanes["async/faas-request/default/f"] != nil {
			t.Error("a lane is kept with nothing to do")
		}
	})
}

func TestWhatCannotWorkIsRefusedBeforeItIsAccepted(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxBody = 10 }, func(w *world) {
		ref := w.add("f", answers(200, ""))
		for name, row := range map[string]struct {
			change func(*Call)
			want   fn.Kind
		}{
			"no function":        {func(c *Call) { c.Ref.Name = "g" }, fn.NotFound},
			"no id":              {func(c *Call) { c.ID = "" }, fn.Invalid},
			"an id with a space": {func(c *Call) { c.ID = "a b" }, fn.Invalid},
			"a relative path":    {func(c *Call) { c.Path = "x" }, fn.Invalid},
			"a large body":       {func(c *Call) { c.Body = make([]byte, 11) }, fn.TooLarge},
			"no URL":             {func(c *Call) { c.Callback = "::" }, fn.Invalid},
			"another scheme":     {func(c *Call) { c.Callback = "file:///etc/passwd" }, fn.Invalid},
			"metadata":           {func(c *Call) { c.Callback = "http://169.254.169.254/latest" }, fn.Invalid},
			"loopback":           {func(c *Call) { c.Callback = "http://127.0.0.1:22/" }, fn.Invalid},
			"private":            {func(c *Call) { c.Callback = "http://10.0.0.1/" }, fn.Invalid},
		} {
			c := Call{Ref: ref, ID: "x"}
			row.change(&c)
			if err := w.Submit(w.t.Context(), c); fn.KindOf(err) != row.want || err == nil {
				t.Errorf("%s: %v, want %s", name, err, row.want)
			}
		}
		w.wantInfo("", queue.Info{})
	})
}

func TestAFullQueueAcceptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New(memory.Config{MaxBytes: 4 << 10}), nil)
		ref := w.add("f", answers(200, ""))
		w.must(Call{Ref: ref, ID: "a", Body: make([]byte, 3<<10)})
		err := w.Submit(w.t.Context(), Call{Ref: ref, ID: "b", Body: make([]byte, 3<<10)})
		if fn.KindOf(err) != fn.NoRoom || fn.Status(err) != 507 || fn.Hint(err) == "" {
			t.Errorf("%v", err)
		}
	})
}

func TestTheSameIDIsTheSameCallUntilItIsOver(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", takes(time.Second))
		w.submit(ref, "a")
		w.submit(ref, "a")
		w.sleep(500 * time.Millisecond)
		w.submit(ref, "a")
		w.sleep(5 * time.Second)
		if n := w.begun("a"); n != 1 {
			t.Errorf("called %d times", n)
		}
		w.submit(ref, "a")
		w.sleep(5 * time.Second)
		if n := w.begun("a"); n != 2 {
			t.Errorf("called %d times in all", n)
		}
	})
}

func TestFailuresAreTriedAgainThenPutAside(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var at []time.Duration
		began := time.Now()
		ref := w.add("f", func(rw http.ResponseWriter, _ *http.Request) {
			at = append(at, time.Since(began).Round(time.Second))
			answers(500, "no luck\n")(rw, nil)
		}, AttemptsAnnotation, "5", MinWaitAnnotation, "2s", MaxWaitAnnotation, "10s")
		w.submit(ref, "a")
		w.sleep(time.Minute)
		if got := fmt.Sprint(at); got != "[0s 2s 6s 14s 24s]" {
			t.Errorf("tries at %s", got)
		}
		w.wantInfo("", queue.Info{Buried: 1})
		dead, err := w.Letters(w.t.Context(), ref, queue.Buried, 10)
		if err != nil || len(dead) != 1 || dead[0].Reason != "status 500: no luck" || dead[0].Attempts != 5 || dead[0].ID != "a" {
			t.Fatalf("%+v, %v", dead, err)
		}
		w.add("f", answers(200, ""))
		if n, err := w.Redrive(w.t.Context(), ref, "b"); n != 0 || fn.KindOf(err) != fn.NotFound {
			t.Errorf("redriving what is not there: %d, %v", n, err)
		}
		if n, err := w.Redrive(w.t.Context(), ref); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		w.sleep(time.Second)
		w.wantInfo("", queue.Info{})
	})
}

func TestWhatIsTriedAgain(t *testing.T) {
	for name, row := range map[string]struct {
		handler     http.HandlerFunc
		annotations []string
		again       bool
	}{
		"200":                      {answers(200, ""), nil, false},
		"404 of the function":      {answers(404, ""), nil, false},
		"503":                      {answers(503, ""), nil, true},
		"501":                      {answers(501, ""), nil, false},
		"501 by annotation":        {answers(501, ""), []string{CodesAnnotation, "501, 502"}, true},
		"503 not by annotation":    {answers(503, ""), []string{CodesAnnotation, "501"}, false},
		"a bad annotation is no":   {answers(503, ""), []string{CodesAnnotation, "many"}, true},
		"the platform":             {platform(502), []string{CodesAnnotation, "501"}, true},
		"no answer":                {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, true},
		"an answer that broke off": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); panic(http.ErrAbortHandler) }, nil, true},
		"a bug of ours":            {func(http.ResponseWriter, *http.Request) { panic("bug") }, nil, true},
		"of-watchdog marks its own": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-OpenFaaS-Internal", "of-watchdog")
			w.WriteHeader(418)
		}, nil, true},
		"a mark on what went well": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-OpenFaaS-Internal", "x")
			w.WriteHeader(201)
		}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(w *world) {
				w.submit(w.add("f", row.handler, row.annotations...), "a")
				w.sleep(time.Second)
				if i := w.info(""); (i.Delayed == 1) != row.again || i.Buried+i.Waiting+i.Leased > 0 {
					t.Errorf("%+v", i)
				}
			})
		})
	}
}

// platform answers as the gateway does for a call it failed.
func platform(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-OpenFaaS-Internal", "gateway")
		w.Header().Set("X-Rouse-Cause", "exited")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":{"kind":"failed","message":"f ended before it answered","exit":"exit status 3","output":["one","boom"]}}`)
	}
}

func TestTheReasonSaysWhatThePlatformKnows(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", platform(502), AttemptsAnnotation, "0")
		w.submit(ref, "a")
		w.sleep(time.Second)
		dead, _ := w.Letters(w.t.Context(), ref, queue.Buried, 10)
		if len(dead) != 1 || dead[0].Reason != "status 502: f ended before it answered exit status 3\none\nboom" {
			t.Errorf("%+v", dead)
		}
	})
}

func TestAFunctionThatIsGoneMakesDeadLetters(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", answers(200, ""))
		w.must(Call{Ref: ref, ID: "a", Due: time.Now().Add(time.Minute)})
		w.must(Call{Ref: ref, ID: "b", Due: time.Now().Add(time.Minute), While: Condition{"schedule", "x"}})
		w.remove(ref)
		w.sleep(61 * time.Second)
		w.wantInfo("", queue.Info{Delayed: 1})
		w.sleep(time.Minute)
		dead, _ := w.Letters(w.t.Context(), ref, queue.Buried, 10)
		if len(dead) != 1 || dead[0].ID != "a" || !strings.Contains(dead[0].Reason, "default/f is gone") {
			t.Errorf("%+v", dead)
		}
	})
}

func TestAFunctionThatComesBackInTimeLosesNoCall(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", answers(200, ""))
		w.must(Call{Ref: ref, ID: "a", Due: time.Now().Add(time.Minute)})
		w.remove(ref)
		w.sleep(65 * time.Second)
		w.add("f", answers(200, ""))
		w.sleep(time.Minute)
		if w.begun("a") != 1 {
			t.Error("not called")
		}
		w.wantInfo("", queue.Info{})
	})
}

func TestACallIsDroppedWhenItsConditionDoesNotHold(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", answers(200, ""), "schedule", "x")
		w.must(Call{Ref: ref, ID: "yes", While: Condition{"schedule", "x"}})
		w.must(Call{Ref: ref, ID: "no", While: Condition{"schedule", "y"}})
		w.sleep(time.Second)
		if w.begun("yes") != 1 || w.begun("no") != 0 {
			t.Error(w.calls)
		}
		w.wantInfo("", queue.Info{})
	})
}

func TestALongCallKeepsItsLease(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", takes(time.Hour))
		w.submit(ref, "a")
		w.sleep(59 * time.Minute)
		w.wantInfo("", queue.Info{Leased: 1})
		w.sleep(2 * time.Minute)
		if n := w.begun("a"); n != 1 {
			t.Errorf("called %d times", n)
		}
		w.wantInfo("", queue.Info{})
	})
}

func TestARunningCallIsCancelledForGood(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", takes(time.Hour))
		w.submit(ref, "a")
		w.must(Call{Ref: ref, ID: "b", Due: time.Now().Add(time.Minute)})
		w.sleep(time.Second)
		for _, id := range []string{"a", "b"} {
			if err := w.Cancel(w.t.Context(), id, anyones); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		w.sleep(time.Second)
		if w.ends["a"].IsZero() {
			t.Error("the call runs on")
		}
		w.sleep(time.Hour)
		if w.begun("") != 1 {
			t.Error(w.calls)
		}
		w.wantInfo("", queue.Info{})
		if err := w.Cancel(w.t.Context(), "a", anyones); fn.KindOf(err) != fn.NotFound || err == nil {
			t.Errorf("cancelling what is over: %v", err)
		}
	})
}

func anyones(fn.Ref) error { return nil }

// TestACallIsCancelledOnlyForThoseWhoMay has two functions with a call of one
// ID, which is what a caller of either can bring about.
func TestACallIsCancelledOnlyForThoseWhoMay(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		theirs, ours := w.add("a", takes(time.Hour)), w.add("b", takes(time.Hour))
		for _, ref := range []fn.Ref{theirs, ours} {
			w.must(Call{Ref: ref, ID: "x", Due: time.Now().Add(time.Minute)})
		}
		may := func(ref fn.Ref) error {
			if ref != ours {
				return fn.Errorf(fn.Denied, "not yours")
			}
			return nil
		}
		if err := w.Cancel(w.t.Context(), "x", may); err != nil {
			t.Fatal("the other's call hides ours:", err)
		}
		w.wantInfo(streamOf(DefaultQueue, ours), queue.Info{})
		if err := w.Cancel(w.t.Context(), "x", may); fn.KindOf(err) != fn.Denied || err == nil {
			t.Error("cancelling the other's call:", err)
		}
		if streams, err := w.Streams(w.t.Context(), theirs); err != nil || len(streams) != 1 || streams[0].Delayed != 1 {
			t.Error("the other's call:", streams, err)
		}
	})
}

func TestShutdownLetsCallsEndAndKeepsThoseThatDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		w := newWorld(t, q, nil)
		w.run()
		short, long := w.add("short", takes(20*time.Second)), w.add("long", takes(time.Hour))
		w.submit(short, "s")
		w.submit(long, "l")
		w.sleep(time.Second)
		began := time.Now()
		w.end()
		if d := time.Since(began); d != 30*time.Second {
			t.Errorf("stopping took %v", d)
		}
		w.wantInfo("async/faas-request/default/short", queue.Info{})
		w.wantInfo("async/faas-request/default/long", queue.Info{Waiting: 1})

		w = newWorld(t, q, nil)
		w.add("long", takes(time.Second))
		w.run()
		w.sleep(2 * time.Second)
		w.wantInfo("", queue.Info{})
		w.end()
	})
}

func TestOneFunctionWithManyCallsDoesNotDelayAnother(t *testing.T) {
	inBubble(t, func(c *Config) { c.AtOnce = 32 }, func(w *world) {
		noisy, quiet := w.add("noisy", takes(time.Minute)), w.add("quiet", takes(time.Second))
		for i := range 2000 {
			w.submit(noisy, fmt.Sprint("noisy-", i))
		}
		w.sleep(10 * time.Minute)
		for i := range 8 {
			w.submit(quiet, fmt.Sprint("quiet-", i))
		}
		w.sleep(1500 * time.Millisecond)
		done := 0
		for id := range w.ends {
			if strings.HasPrefix(id, "quiet") {
				done++
			}
		}
		if done != 8 {
			t.Errorf("%d of 8 calls of the quiet function are over after 1.5 s", done)
		}
		if n := w.most["noisy.default"]; n != 16 {
			t.Errorf("the noisy function had %d calls at once, want half of 32", n)
		}
		if _, err := w.Purge(w.t.Context(), noisy, queue.Waiting); err != nil {
			t.Error(err)
		}
		if _, err := w.Purge(w.t.Context(), noisy, queue.Leased); err != nil {
			t.Error(err)
		}
	})
}

func TestAFunctionGetsWhatItCanTakeAndNoMore(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", takes(time.Second))
		f := w.functions[ref]
		f.Spec.Scale.Max, f.Spec.Scale.Concurrency = 3, 4
		w.functions[ref] = f
		for i := range 100 {
			w.submit(ref, fmt.Sprint(i))
		}
		w.sleep(15 * time.Second)
		if n := w.most["f.default"]; n != 12 {
			t.Errorf("%d calls at once, want 3 × 4", n)
		}
		w.wantInfo("", queue.Info{})
	})
}

// TestABusyFunctionIsNotOverrun has a function that takes 3 calls at once and
// answers 429 to all others: all 300 calls are done in the end, and few tries
// are wasted.
func TestABusyFunctionIsNotOverrun(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		slots, refused := make(chan struct{}, 3), 0
		var mu sync.Mutex
		ref := w.add("f", func(rw http.ResponseWriter, r *http.Request) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				takes(time.Second)(rw, r)
			default:
				mu.Lock()
				refused++
				mu.Unlock()
				rw.WriteHeader(429)
			}
		})
		for i := range 300 {
			w.submit(ref, fmt.Sprint(i))
		}
		w.sleep(10 * time.Minute)
		w.wantInfo("", queue.Info{})
		if refused > 150 || len(w.calls) != 300 {
			t.Errorf("%d tries were refused, %d calls begun", refused, len(w.calls))
		}
		t.Logf("300 calls, 3 at once: %d tries refused", refused)
	})
}

func TestAFunctionThatIsBusyForLongLosesNoCall(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		began := time.Now()
		ref := w.add("f", func(rw http.ResponseWriter, r *http.Request) {
			if time.Since(began) < time.Hour {
				rw.WriteHeader(429)
			}
		})
		for i := range 500 {
			w.submit(ref, fmt.Sprint(i))
		}
		w.sleep(2 * time.Hour)
		i := w.info("")
		t.Logf("after an hour of 429: %d put aside of 500", i.Buried)
		if i.Waiting+i.Delayed+i.Leased > 0 || i.Buried > 50 {
			t.Errorf("%+v", i)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var at []time.Duration
		began := time.Now()
		ref := w.add("f", func(rw http.ResponseWriter, r *http.Request) {
			at = append(at, time.Since(began).Round(time.Second))
			switch len(at) {
			case 1:
				rw.Header().Set("Retry-After", "60")
				rw.WriteHeader(503)
			case 2:
				rw.Header().Set("Retry-After", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
				rw.WriteHeader(429)
			case 3:
				rw.Header().Set("Retry-After", "1") // less than the least wait
				rw.WriteHeader(503)
			}
		})
		w.submit(ref, "a")
		w.sleep(10 * time.Minute)
		if got := fmt.Sprint(at); got != "[0s 1m0s 2m30s 2m40s]" {
			t.Errorf("tries at %s", got)
		}
	})
}

func TestPendingCountsWhatIsDueOrUnderWay(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ref := w.add("f", takes(10*time.Second))
		for i := range 20 {
			w.submit(ref, fmt.Sprint(i))
		}
		w.must(Call{Ref: ref, ID: "later", Due: time.Now().Add(time.Hour)})
		w.sleep(1500 * time.Millisecond)
		if n := w.Pending(ref); n != 20 {
			t.Errorf("%d pending", n)
		}
		all := w.Totals()
		if len(all) != 1 || all[0].Submitted != 21 || all[0].InFlight != 8 || all[0].Processed != 0 {
			t.Errorf("%+v", all)
		}
		w.sleep(time.Minute)
		if all := w.Totals(); w.Pending(ref) != 0 || all[0].Processed != 20 || all[0].InFlight != 0 {
			t.Errorf("%+v", all)
		}
		w.Forget(ref)
		if len(w.Totals()) != 0 {
			t.Error("not forgotten")
		}
	})
}

package async

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Queue is what an Engine needs of a queue: streams, and a look into them.
type Queue interface {
	queue.Queue
	queue.Keeper
}

// Functions tells what an Engine needs to know of functions.
type Functions interface {
	// Stored returns a function as it is stored, for reading only, or
	// fn.NotFound.
	Stored(ctx context.Context, ref fn.Ref) (fn.Function, error)
	// Load counts the calls a function's instances have in hand and hold.
	Load(ref fn.Ref) int
}

// Invoker serves one call of a function in this process as if it had arrived
// over HTTP at the path /function/NAME.NAMESPACE/…; *gateway.Server is the one
// there is. The call ends early when the request's context does.
type Invoker interface {
	Invoke(w http.ResponseWriter, r *http.Request)
}

// Config is everything an Engine needs. Queue, Functions and Invoker are
// required.
type Config struct {
	Queue     Queue
	Functions Functions
	Invoker   Invoker
	Log       *slog.Logger

	MaxBody   int64         // largest body of a call in bytes; default 1 MiB
	MaxResult int64         // bytes of a result a callback gets, more is cut off; default 10 MiB
	MaxHeld   int64         // bytes of calls and results the queue may hold of one function, so that it cannot fill it for others; default 1 GiB
	AtOnce    int           // calls in hand over all functions; one function gets half of them at most; default 256
	Lease     time.Duration // how long a call of a server that is gone is left alone; extended while one runs; default 1 min
	Grace     time.Duration // calls in hand get this long to end when Run's ctx has; default 30 s
	KeepDead  time.Duration // how long what was put aside is kept; 0: for ever
	Retry     Retry         // for functions that do not say; the zero value means DefaultRetry
	Callback  Callback      // where results may go
	Tmp       string        // folder for large results; "" is the system's
	Agent     string        // User-Agent of calls that have none, and of callbacks; default "rouse"

	Random func() float64 // in [0, 1), for jitter; default math/rand
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	orDefault(&c.MaxBody, 1<<20)
	orDefault(&c.MaxResult, 10<<20)
	orDefault(&c.MaxHeld, 1<<30)
	orDefault(&c.AtOnce, 256)
	orDefault(&c.Lease, time.Minute)
	orDefault(&c.Grace, 30*time.Second)
	if c.Retry.Attempts == 0 {
		c.Retry = DefaultRetry()
	}
	orDefault(&c.Callback.Timeout, 30*time.Second)
	orDefault(&c.Callback.AtOnce, 32)
	if c.Agent == "" {
		c.Agent = "rouse"
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return c
}

func orDefault[T int | int64 | time.Duration](field *T, def T) {
	if *field <= 0 {
		*field = def
	}
}

// largeAtOnce is how many large results may be in memory at one time, on their
// way from their files to the queue: strangers choose how many there are.
const largeAtOnce = 8

// Engine accepts calls and carries them out. Make it with New; Submit and the
// views work from then on, calls are carried out while Run runs.
type Engine struct {
	cfg    Config
	sender *sender       // of callbacks
	calls  *budget       // shared by the lanes of calls
	posts  *budget       // shared by the lanes of callbacks
	large  chan struct{} // one value for each result in memory that is larger than spoolMemory

	mu      sync.Mutex
	lanes   map[string]*lane  // guarded by mu: by stream; those that have something due, in hand, or to remember
	running map[seat]*running // guarded by mu: what is in hand
	driven  sync.WaitGroup    // goroutines of lanes; Run waits
	inHand  sync.WaitGroup    // goroutines of deliveries; Run waits
	holds   atomic.Pointer[map[fn.Ref]held]
	totals  totals
}

// New makes an engine. It starts no goroutine.
func New(cfg Config) *Engine {
	cfg = cfg.withDefaults()
	return &Engine{
		cfg: cfg, sender: newSender(cfg.Callback, cfg.Agent),
		calls: newBudget(cfg.AtOnce), posts: newBudget(cfg.Callback.AtOnce), large: make(chan struct{}, largeAtOnce),
		lanes: make(map[string]*lane), running: make(map[seat]*running),
	}
}

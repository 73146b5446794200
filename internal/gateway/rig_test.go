package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// function is a program under test: it serves ln until ln is closed.
type function func(ln net.Listener)

// handler is a function made of a net/http handler.
func handler(h http.HandlerFunc) function {
	return func(ln net.Listener) {
		srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		_ = srv.Serve(ln)
		_ = srv.Close()
	}
}

// raw is a function that speaks for itself, on each connection.
func raw(serve func(net.Conn)) function {
	return func(ln net.Listener) {
		var wg sync.WaitGroup
		defer wg.Wait()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	}
}

// rig is a gateway with a real pool before functions behind Unix sockets, and
// a client side over TCP.
type rig struct {
	t       testing.TB
	srv     *Server
	addr    string
	url     string
	records chan fn.Invocation
	stop    context.CancelFunc
	served  chan error
	engine  *testEngine
}

type rigConfig struct {
	functions map[string]function
	timeout   time.Duration
	policy    func(*fn.Policy)
	config    func(*Config)
	start     time.Duration // what each start of an instance takes
	quiet     bool          // no records
}

func newRig(t testing.TB, rc rigConfig) *rig {
	t.Helper()
	e := &testEngine{dir: t.TempDir(), rc: rc}
	policy := fn.Default()
	policy.Scale.Concurrency, policy.Scale.Freeze = 1000, -1
	if rc.policy != nil {
		rc.policy(&policy)
	}
	p := pool.New(pool.Config{Engine: e, Source: testSource{policy}, Logs: testLogs{}, Log: slog.New(slog.DiscardHandler), StopGrace: 10 * time.Millisecond})
	routes := route.New()
	for name := range rc.functions {
		ref := fn.Ref{Namespace: "default", Name: name}
		routes.Set(route.NewEntry(ref, rc.timeout, []fn.Target{{Revision: 1, Weight: 100}}))
	}
	r := &rig{t: t, records: make(chan fn.Invocation, 4096), engine: e, served: make(chan error, 1)}
	cfg := Config{Routes: routes, Pool: p, Recorder: r, Domain: "rouse.test", Log: slog.New(slog.DiscardHandler)}
	if rc.quiet {
		cfg.Recorder = discard{}
	}
	if rc.config != nil {
		rc.config(&cfg)
	}
	r.srv = New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr, r.url = ln.Addr().String(), "http://"+ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	poolDone := make(chan error, 1)
	go func() { poolDone <- p.Run(ctx) }()
	go func() { r.served <- r.srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-r.srv.done
		<-poolDone
	})
	return r
}

// Record implements Recorder.
func (r *rig) Record(inv *fn.Invocation) { r.records <- *inv }

type discard struct{}

func (discard) Record(*fn.Invocation) {}

// record waits for the next record.
func (r *rig) record() fn.Invocation {
	r.t.Helper()
	select {
	case inv := <-r.records:
		return inv
	case <-time.After(10 * time.Second):
		r.t.Fatal("no record within 10 s")
		return fn.Invocation{}
	}
}

// dial opens a connection to the gateway with an overall deadline.
func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// client is an HTTP/1.1 client of its own.
func (r *rig) client() *http.Client {
	tr := &http.Transport{DisableCompression: true}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// clientH2 is a client that speaks HTTP/2 without TLS from the start.
func (r *rig) clientH2() *http.Client {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p, DisableCompression: true}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// testEngine starts functions as goroutines behind Unix sockets.
type testEngine struct {
	dir    string
	rc     rigConfig
	starts atomic.Int64
	last   atomic.Pointer[testInstance]
}

func (e *testEngine) Start(ctx context.Context, spec engine.Spec) (engine.Instance, error) {
	n := e.starts.Add(1)
	if e.rc.start > 0 {
		t := time.NewTimer(e.rc.start)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	ln, err := net.Listen("unix", filepath.Join(e.dir, fmt.Sprintf("%d", n)))
	if err != nil {
		return nil, err
	}
	i := &testInstance{id: spec.ID, ln: ln, done: make(chan struct{})}
	go func() {
		e.rc.functions[spec.Revision.Name](ln)
		close(i.done)
	}()
	e.last.Store(i)
	return i, nil
}

func (e *testEngine) Recover(context.Context) (engine.Leftovers, error) {
	return engine.Leftovers{}, nil
}
func (e *testEngine) Close() error { return nil }

type testInstance struct {
	id   string
	ln   net.Listener
	exit engine.Exit
	done chan struct{}

	mu    sync.Mutex
	conns []net.Conn // guarded by mu: our ends
}

func (i *testInstance) ID() string            { return i.id }
func (i *testInstance) Done() <-chan struct{} { return i.done }
func (i *testInstance) Exit() engine.Exit     { return i.exit }

func (i *testInstance) Dial(ctx context.Context) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", i.ln.Addr().String())
	if err == nil {
		i.mu.Lock()
		i.conns = append(i.conns, c)
		i.mu.Unlock()
	}
	return c, err
}

func (i *testInstance) Stop(context.Context, time.Duration) error {
	_ = i.ln.Close()
	i.mu.Lock()
	for _, c := range i.conns {
		_ = c.Close()
	}
	i.mu.Unlock()
	<-i.done
	return nil
}

type testSource struct{ policy fn.Policy }

func (s testSource) Launch(context.Context, fn.RevisionRef) (pool.Launch, error) {
	return pool.Launch{Program: fn.Program{Listen: fn.ListenPort, Contract: "http"}, Policy: s.policy}, nil
}

type testLogs struct{}

func (testLogs) Writer(fn.RevisionRef, string, string, func() (fn.CallID, bool)) io.WriteCloser {
	return nopCloser{io.Discard}
}
func (testLogs) Last(string) []string { return []string{"last words"} }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// withInterim has got called for each interim response.
func withInterim(ctx context.Context, got func(int, http.Header)) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got(code, http.Header(h))
			return nil
		},
	})
}

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

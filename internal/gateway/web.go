package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	httpcontract "rouse.dev/rouse/internal/contract/http"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// newWeb makes the server for what our own engine does not speak.
func (s *Server) newWeb() *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: http.HandlerFunc(s.serveWeb), Protocols: &p,
		ReadHeaderTimeout: s.cfg.HeadTimeout, IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: s.cfg.MaxHead,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c.(*handedConn).c)
		},
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// connKey finds the *conn a request of net/http arrived on.
type connKey struct{}

// web is the client of a call that net/http took in: HTTP/2, or HTTP/1.1 on a
// connection that was handed over before.
type web struct {
	s    *Server
	w    http.ResponseWriter
	rc   *http.ResponseController
	r    *http.Request
	x    *call
	from *origin

	src     webSource
	headed  atomic.Bool // a response head was written: shared with the sweeper
	aborted bool
}

// serveWeb serves a request that arrived through net/http: the same call,
// another front end.
func (s *Server) serveWeb(w http.ResponseWriter, r *http.Request) {
	t, ours, bad := s.resolve([]byte(r.Host), []byte(rawTarget(r)))
	if !ours || r.Method == http.MethodConnect {
		s.cfg.API.ServeHTTP(w, r)
		return
	}
	s.callWeb(w, r, t, bad, &r.Context().Value(connKey{}).(*conn).from)
}

// Invoke serves a call of a function that comes from inside this process as
// if it had arrived over HTTP: r.URL.Path, or r.RequestURI if set, begins with
// /function/, r.Host is set, and r.Body may be nil; as with a server's requests,
// r.ContentLength is that of the body, -1 if unknown. w must be able to flush.
// What the caller says of X-Forwarded-* is believed. A response that breaks
// off panics with http.ErrAbortHandler, as handlers do. What is not a call of
// a function is answered with 404. Invoke does not wait for a Serve, nor
// Shutdown for an Invoke: whoever calls it ends its calls first.
func (s *Server) Invoke(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI == "" {
		r.RequestURI = r.URL.RequestURI()
	}
	t, ours, bad := s.resolve([]byte(r.Host), []byte(rawTarget(r)))
	s.callWeb(w, r, t, bad || !ours, &origin{scheme: "http", trusted: true})
}

// callWeb serves a call that is a request of net/http.
func (s *Server) callWeb(w http.ResponseWriter, r *http.Request, t target, bad bool, from *origin) {
	x := &call{s: s, upload: make(chan error, 1)}
	c := &web{s: s, w: w, rc: http.NewResponseController(w), r: r, x: x, src: webSource{r: r}, from: from}
	x.client = c
	err := x.req.Build(wire.Parts{
		Method: r.Method, Target: rawTarget(r), Host: r.Host, Header: r.Header,
		// HTTP/2's requests always have a Body: their length tells.
		Length: r.ContentLength, Body: r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0,
	})
	x.target = t
	x.begin(s.now(), bad)
	if err != nil {
		c.badHead(err)
		return
	}
	if r.ProtoMajor == 1 {
		_ = c.rc.EnableFullDuplex()
	} else {
		x.req.Switch = false // RFC 9113 has no Upgrade
	}
	s.webs.add(c)
	defer s.webs.remove(c)
	defer func() {
		if bug := recover(); bug != nil {
			x.rescue(bug)
			c.aborted = true
		}
		if c.aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	// The handler is done with r's context when it returns; the call ends in it.
	x.run(context.WithoutCancel(r.Context()))
}

// rawTarget returns path and query as they were sent.
func rawTarget(r *http.Request) string {
	raw := r.RequestURI
	if i := strings.Index(raw, "://"); i > 0 && !strings.HasPrefix(raw, "/") {
		raw = raw[i+3:]
		if i = strings.IndexAny(raw, "/?"); i < 0 {
			return "/"
		}
		if raw = raw[i:]; raw[0] == '?' {
			raw = "/" + raw
		}
	}
	return raw
}

func (c *web) origin() *origin           { return c.from }
func (c *web) body() httpcontract.Source { return &c.src }
func (c *web) received() int64           { return c.src.n }
func (c *web) gone() bool                { return c.r.Context().Err() != nil }
func (c *web) proceed() error            { return nil } // net/http does so at the first read

// cut makes pending reads fail, and writes too if an answer has begun: it
// cannot become whole.
func (c *web) cut() {
	_ = c.rc.SetReadDeadline(past)
	if c.headed.Load() {
		_ = c.rc.SetWriteDeadline(past)
	}
}

func (c *web) abort() { c.aborted = true }

// inform passes an interim response on.
func (c *web) inform(x *call) error {
	h := c.w.Header()
	c.copyFields(&x.ex.Response)
	c.w.WriteHeader(x.ex.Response.Status)
	clear(h)
	return nil
}

func (c *web) copyFields(r *wire.Response) {
	h := c.w.Header()
	for i := range r.Fields {
		if f := &r.Fields[i]; passes(r, f) && f.ID != wire.Trailer {
			h.Add(string(f.Name), string(f.Value))
		}
	}
}

// reply passes the final response on.
func (c *web) reply(x *call) error {
	c.headed.Store(true)
	r, h := &x.ex.Response, c.w.Header()
	c.copyFields(r)
	h.Set("X-Call-Id", string(x.label.bytes()))
	h.Set("X-Start-Time", strconv.FormatInt(x.inv.Began.UnixNano(), 10))
	if !has(r, servedByField) {
		h.Set("X-Served-By", c.s.cfg.Product)
	}
	if x.inv.Kind != fn.Warm {
		h.Set("X-Rouse-Start", string(appendTiming([]byte(x.inv.Kind.String()+";"), &x.inv.Timing)))
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // no guessing
	}
	if r.Length >= 0 && r.Status != 204 {
		h.Set("Content-Length", string(wire.AppendInt(nil, r.Length)))
	}
	c.w.WriteHeader(r.Status)
	x.ex.Accept()
	return c.relay(x)
}

// relay copies the body, flushing each piece.
func (c *web) relay(x *call) error {
	body := &x.ex.Body
	if !body.Done() && !body.Ready() {
		if err := c.rc.Flush(); err != nil {
			return &clientError{err}
		}
	}
	for !body.Done() {
		n, err := body.Read(x.buf[:])
		x.inv.Out += int64(n)
		if n > 0 {
			if _, err := c.w.Write(x.buf[:n]); err != nil {
				return &clientError{err}
			}
			if body.Done() {
				break // net/http flushes when the handler returns
			}
			if err := c.rc.Flush(); err != nil {
				return &clientError{err}
			}
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	for _, f := range body.Trailers() {
		if wire.TrailerAllowed(&f) {
			c.w.Header().Add(http.TrailerPrefix+string(f.Name), string(f.Value))
		}
	}
	return nil
}

// refuse sends the platform's own answer.
func (c *web) refuse(x *call, f *fn.Failure) {
	c.send(x.refusal(f, x.inv.Status))
}

func (c *web) send(r refusal) {
	_ = c.rc.SetWriteDeadline(time.Now().Add(refuseTime))
	h := c.w.Header()
	clear(h)
	for _, f := range r.fields {
		h.Set(f[0], f[1])
	}
	h.Set("Content-Length", string(wire.AppendInt(nil, int64(len(r.body)))))
	if c.r.ProtoMajor == 1 && c.r.Body != nil && c.r.Body != http.NoBody && !c.src.done {
		h.Set("Connection", "close") // full duplex: net/http does not read what is left, and closes
	}
	c.w.WriteHeader(r.status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(r.body)
	}
	_ = c.rc.Flush()
	_ = c.rc.SetWriteDeadline(time.Time{})
}

func (c *web) badHead(err error) {
	f := &fn.Failure{Kind: fn.Invalid, Phase: fn.PhaseRoute, Cause: "bad-request", Message: err.Error()}
	status := http.StatusBadRequest
	if bad, ok := errors.AsType[*wire.SyntaxError](err); ok {
		status = bad.Status
	}
	c.send(c.x.refusal(f, status))
}

// tunnel takes the connection out of net/http's hands.
func (c *web) tunnel(x *call) error {
	head := x.appendSwitch(x.buf[:0])
	x.ex.Accept()
	nc, rw, err := c.rc.Hijack()
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Time{})
	h, ok := nc.(*handedConn)
	if !ok {
		return errors.New("a connection that is not ours")
	}
	if _, err := nc.Write(head); err != nil {
		return &clientError{err}
	}
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		if _, err := x.slot.Conn.Write(early); err != nil {
			return err
		}
		x.inv.In += int64(n)
	}
	return x.pipe(h.Conn)
}

// webSource is the body of a request of net/http. The goroutine that sends
// the body on owns it.
type webSource struct {
	r    *http.Request
	n    int64
	done bool // read to its end
}

// Read implements httpcontract.Source.
func (b *webSource) Read(p []byte) (int, error) {
	n, err := b.r.Body.Read(p)
	b.n += int64(n)
	b.done = b.done || err == io.EOF
	return n, err
}

// Trailers implements httpcontract.Source.
func (b *webSource) Trailers() []wire.Field {
	var fields []wire.Field
	for name, values := range b.r.Trailer {
		for _, v := range values {
			if f, err := wire.NewField(name, v); err == nil {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

package async

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// result is what a callback's message says besides the body.
type result struct {
	URL    string      `json:"url"`
	Call   string      `json:"call"`
	Header http.Header `json:"header"` // of the request that is sent
}

// result makes the message that takes a call's result to its callback
// address.
func (e *Engine) result(d *delivery, h *head, retry *Retry, a *answer) (queue.Message, error) {
	body, err := a.spool.bytes()
	if err != nil {
		return queue.Message{}, err
	}
	text, err := json.Marshal(result{URL: h.Callback, Call: d.ID, Header: latinHeader(resultHeader(d, h, retry, a))})
	if err != nil {
		return queue.Message{}, fn.Errorf(fn.Internal, "writing down a result: %w", err)
	}
	return queue.Message{Stream: callbackStream(d.f.Ref), ID: resultID(d, a), Head: text, Body: body}, nil
}

// resultID is the same for the same end of the same call, so that a crash
// before the call's own message is gone makes no second callback. A later call
// that was given the same id has another, and so has one that was redriven and
// ended differently.
func resultID(d *delivery, a *answer) string {
	id := fmt.Sprintf("%s.%d.%d", d.ID, a.status, d.Published.UnixNano())
	if len(id) > queue.MaxID {
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:])
	}
	return id
}

// resultHeader is the function's header and what is said about the call.
func resultHeader(d *delivery, h *head, retry *Retry, a *answer) http.Header {
	out := endToEnd(a.header)
	for name := range out {
		if strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip" || name == "X-Callback-Url" || name == "Host" {
			delete(out, name) // would be believed, or followed, by whoever gets the callback
		}
	}
	status := a.status
	if a.failed != "" {
		status = http.StatusServiceUnavailable
	}
	out.Set("X-Call-Id", d.ID)
	out.Set("X-Function-Name", h.Name)
	out.Set("X-Function-Status", strconv.Itoa(status))
	out.Set("X-Duration-Seconds", fmt.Sprintf("%f", time.Since(d.began).Seconds()))
	out.Set("X-Retry", strconv.Itoa(d.Attempt-1))
	out.Set("X-Retry-Max", strconv.Itoa(retry.Attempts))
	if a.spool.cut {
		out.Set("X-Rouse-Cut-Off", strconv.FormatInt(a.spool.size, 10))
	}
	return out
}

// sender posts results.
type sender struct {
	cfg    Callback
	agent  string
	client *http.Client
}

func newSender(cfg Callback, agent string) *sender {
	s := &sender{cfg: cfg, agent: agent}
	s.client = &http.Client{
		Timeout: cfg.Timeout,
		Transport: &http.Transport{
			DialContext: s.dial, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second,
			MaxIdleConns: 64, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.Method != http.MethodPost || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
				return http.ErrUseLastResponse // a result goes where the caller said, and whole: not as a GET without a body
			}
			return nil
		},
	}
	return s
}

// dial connects to an address results may go to. It looks at the address that
// is really dialled, so that a name cannot stand for two.
func (s *sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		Timeout: 10 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %s", errAddress, address)
			}
			return s.cfg.permit(to)
		},
	}
	if host, _, err := net.SplitHostPort(address); err == nil && s.cfg.Self.IsValid() && slices.Contains(gatewayNames, host) {
		address = s.cfg.ownAddress()
	}
	return d.DialContext(ctx, network, address)
}

// post sends one result, once.
func (e *Engine) post(ctx context.Context, d *delivery) verdict {
	var r result
	if err := json.Unmarshal(d.Head, &r); err != nil {
		return verdict{action: queue.Bury, reason: fmt.Sprintf("reading a result: %v", err)}
	}
	status, header, err := e.sender.send(ctx, &r, d.Body)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errStopping):
		return verdict{action: queue.Retry, at: time.Now(), reason: "the server stopped"}
	case cause != nil:
		return verdict{void: true}
	case err == nil && status >= 200 && status <= 299:
		return verdict{action: queue.Ack}
	}
	retry := e.cfg.Retry
	v := verdict{action: queue.Bury, reason: fmt.Sprintf("the callback address answered %d", status)}
	if err != nil {
		v.reason = fmt.Sprintf("sending the callback: %v", withoutURL(err))
	}
	again := slices.Contains(retry.Codes, status) || status >= 500 || err != nil && !errors.Is(err, errAddress)
	if again && d.Attempt < retry.Attempts {
		v.after = retryAfter(status, header, time.Now())
		v.busy = status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
		v.action, v.at = queue.Retry, time.Now().Add(retry.wait(d.Attempt, v.after, e.cfg.Random()))
	}
	return v
}

// withoutURL takes the address out of an error: it may hold a password.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// send posts a result and reads the answer's head; its body is of no interest.
func (s *sender) send(ctx context.Context, r *result, body []byte) (int, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errAddress, withoutURL(err))
	}
	req.Header = bytesOfHeader(r.Header)
	req.Header.Set("User-Agent", s.agent)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	return resp.StatusCode, resp.Header, nil
}

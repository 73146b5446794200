package async

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Call is what Submit takes.
type Call struct {
	Ref      fn.Ref
	ID       string      // names the call, see ValidID: the same ID again, while the first is not over, is the same call
	Name     string      // of the function as the caller wrote it, for the callback; default NAME.NAMESPACE
	Method   string      // default POST
	Path     string      // for the function, as sent: empty or beginning with '/', percent signs and all
	Query    string      // as sent, without '?'
	Host     string      // of the caller's request
	From     string      // the caller's address, HOST:PORT; may be empty
	Header   http.Header // of the caller; what concerns one connection only is dropped
	Body     []byte      // at most Config.MaxBody bytes
	Callback string      // URL the result is posted to; "" for none
	Due      time.Time   // not carried out before; zero: at once
	While    Condition   // dropped, without a word, if it does not hold when the call is due
}

// Condition is that a function has an annotation with a value. The zero value
// always holds.
type Condition struct {
	Annotation string `json:"annotation"`
	Value      string `json:"value"`
}

func (c *Condition) holds(d *delivery) bool {
	return c == nil || d.known && d.f.Annotations[c.Annotation] == c.Value
}

// MaxID is the longest ID of a call in bytes.
const MaxID = queue.MaxID

// OwnIDs begins the IDs of calls that this server makes by itself. They can be
// foretold, so callers may not have them: a call with the ID of a tick would
// be in the tick's place.
const OwnIDs = "cron."

// ValidID reports whether s can name a call: 1 to MaxID letters, digits and
// "-_.:/+=", which is what the path of calls passes on unchanged.
func ValidID(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.:/+=", c) >= 0) {
			return false
		}
	}
	return true
}

// Prefixes of the streams' names; see streamOf and callbackStream.
const (
	callPrefix     = "async/"
	callbackPrefix = "callback/"
)

// streamOf is the stream calls of a function wait in:
// async/QUEUE/NAMESPACE/NAME.
func streamOf(queueName string, ref fn.Ref) string {
	return callPrefix + queueName + "/" + ref.Namespace + "/" + ref.Name
}

// callbackStream is the stream results of a function wait in:
// callback/NAMESPACE/NAME.
func callbackStream(ref fn.Ref) string {
	return callbackPrefix + ref.Namespace + "/" + ref.Name
}

// parseStream takes a stream's name apart. queueName is "" for callbacks.
func parseStream(stream string) (queueName string, ref fn.Ref, ok bool) {
	if rest, is := strings.CutPrefix(stream, callbackPrefix); is {
		ref.Namespace, ref.Name, ok = strings.Cut(rest, "/")
		return "", ref, ok
	}
	parts := strings.Split(stream, "/")
	if len(parts) != 4 || parts[0]+"/" != callPrefix {
		return "", fn.Ref{}, false
	}
	return parts[1], fn.Ref{Namespace: parts[2], Name: parts[3]}, true
}

// head is what a call's message says besides the body.
type head struct {
	Name     string      `json:"name"`
	Method   string      `json:"method"`
	Path     string      `json:"path,omitempty"`
	Query    string      `json:"query,omitempty"`
	Host     string      `json:"host,omitempty"`
	From     string      `json:"from,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Callback string      `json:"callback,omitempty"`
	While    *Condition  `json:"while,omitempty"`
}

// message turns a call into what is kept of it.
func (c *Call) message(queueName string) (queue.Message, error) {
	h := head{
		Name: c.Name, Method: c.Method, Path: latin(c.Path), Query: latin(c.Query), Host: latin(c.Host), From: c.From,
		Header: latinHeader(endToEnd(c.Header)), Callback: c.Callback,
	}
	if h.Method == "" {
		h.Method = http.MethodPost
	}
	if c.While != (Condition{}) {
		h.While = &c.While
	}
	if h.Name == "" {
		h.Name = c.Ref.Name + "." + c.Ref.Namespace
	}
	text, err := json.Marshal(h)
	if err != nil {
		return queue.Message{}, fn.Errorf(fn.Internal, "writing down a call: %w", err)
	}
	return queue.Message{Stream: streamOf(queueName, c.Ref), ID: c.ID, Head: text, Body: c.Body, Due: c.Due}, nil
}

func readHead(text []byte) (head, error) {
	var h head
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fn.Errorf(fn.Internal, "reading a call: %v", err)
	}
	h.Path, h.Query, h.Host, h.Header = bytesOf(h.Path), bytesOf(h.Query), bytesOf(h.Host), bytesOfHeader(h.Header)
	return h, nil
}

// hopByHop are the fields that concern one connection (RFC 9110, section
// 7.6.1), and those that follow from the body.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Expect",
}

// endToEnd copies a header without the fields of one connection.
func endToEnd(from http.Header) http.Header {
	h := from.Clone()
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
	return h
}

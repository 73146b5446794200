package wire

import "bytes"

// Request is the head of a request. Its byte slices point into the buffer it
// was parsed from.
type Request struct {
	head
	Method   []byte
	Target   []byte // as sent
	Host     []byte // nil if there is none (HTTP/1.0)
	Continue bool   // Expect: 100-continue
	Trailers bool   // TE: trailers
}

// Reset forgets the last message and keeps the memory.
func (r *Request) Reset() {
	r.head.reset()
	*r = Request{head: r.head}
}

// Parse reads the head at the front of b and returns its length, which is 0
// if b ends before the head does: call it again with more. The error is a
// *SyntaxError, ready for a client.
func (r *Request) Parse(b []byte) (int, error) {
	skip := 0
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		skip = 2 // one empty line before a request is ignored (RFC 9112, 2.2)
	}
	b = b[skip:]
	n, err := r.end(b)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, nil
	}
	rest, err := r.line(b[:n])
	if err == nil {
		err = r.fields(rest)
	}
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		return 0, err
	}
	return skip + n, nil
}

// line parses the request line and returns what follows it.
func (r *Request) line(b []byte) ([]byte, *SyntaxError) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return nil, errBareLF
	}
	line, rest := b[:end-1], b[end+1:]
	method, line, ok := bytes.Cut(line, []byte{' '})
	if !ok {
		return nil, errRequestLine
	}
	target, proto, ok := bytes.Cut(line, []byte{' '})
	if !ok || bytes.IndexByte(proto, ' ') >= 0 {
		return nil, errRequestLine
	}
	if len(method) == 0 || !all(method, isToken) {
		return nil, errMethod
	}
	if len(target) == 0 || !all(target, isTarget) || !validEscapes(target) {
		return nil, errTarget
	}
	if r.Minor, ok = version(proto); !ok {
		if !bytes.HasPrefix(proto, []byte("HTTP/")) {
			return nil, errRequestLine
		}
		return nil, errVersion
	}
	r.Method, r.Target = method, target
	return rest, nil
}

// finish takes in the fields only requests have, then checks the whole.
func (r *Request) finish() *SyntaxError {
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.ID {
		case Host:
			if r.Host != nil {
				return errHostTwice
			}
			if !all(f.Value, isHost) {
				return errHost
			}
			r.Host = f.Value
		case Expect:
			if !EqualFold(f.Value, "100-continue") {
				return errExpect
			}
			r.Continue = r.Minor == 1
		case TE:
			r.Trailers = r.Trailers || EqualFold(f.Value, "trailers")
		}
	}
	if r.Host == nil && r.Minor == 1 {
		return errHostMissing
	}
	if err := r.coding(); err != nil {
		return err
	}
	switch {
	case r.chunked:
		r.Framing = Chunked
	case r.Length > 0:
		r.Framing = Fixed
	}
	return nil
}

// Parts is a request head that another parser took apart (HTTP/2's).
type Parts struct {
	Method, Target, Host string
	Header               map[string][]string
	Length               int64 // of the body; -1 if unknown
	Body                 bool  // there is a body
}

// Build fills r from parts, as Parse does from bytes: what could break out of
// a head is refused.
func (r *Request) Build(p Parts) error {
	r.Reset()
	r.Minor = 1
	r.Method, r.Target, r.Host = []byte(p.Method), []byte(p.Target), []byte(p.Host)
	switch {
	case len(r.Method) == 0 || !all(r.Method, isToken):
		return errMethod
	case len(r.Target) == 0 || !all(r.Target, isTarget) || !validEscapes(r.Target):
		return errTarget
	case !all(r.Host, isHost):
		return errHost
	}
	for name, values := range p.Header {
		for _, v := range values {
			if err := r.add(name, v); err != nil {
				return err
			}
		}
	}
	switch {
	case !p.Body && r.Length > 0: // a length that is not that of the body: HTTP/2 can say so
		return errLength
	case !p.Body:
	case p.Length >= 0:
		r.Framing, r.Length = Fixed, p.Length
	default:
		r.Framing, r.Length = Chunked, -1
	}
	return nil
}

// add is one field of Build. Framing and Host are told apart from the fields.
func (r *Request) add(name, value string) error {
	f, err := NewField(name, value)
	if err != nil {
		return err
	}
	if len(r.Fields) == MaxFields {
		return errFieldCount
	}
	switch f.ID {
	case TransferEncoding, Host:
		return nil
	case ContentLength:
		return asError(r.note(&f))
	case TE:
		r.Trailers = r.Trailers || EqualFold(f.Value, "trailers")
	case Expect:
		r.Continue = true
	case Connection, Upgrade:
		if err := r.note(&f); err != nil {
			return err
		}
	}
	r.Fields = append(r.Fields, f)
	return nil
}

// asError makes a nil *SyntaxError a nil error.
func asError(err *SyntaxError) error {
	if err == nil {
		return nil
	}
	return err
}

// Preface reports whether b begins with HTTP/2's connection preface, or may
// yet become one.
func Preface(b []byte) bool {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	n := min(len(b), len(preface))
	return n > 0 && string(b[:n]) == preface[:n]
}

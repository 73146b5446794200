package wire

import "bytes"

// Response is the head of a response. Its byte slices point into the buffer
// it was parsed from.
type Response struct {
	head
	Status int
	Reason []byte // may be empty
}

// Reset forgets the last message and keeps the memory.
func (r *Response) Reset() {
	r.head.reset()
	*r = Response{head: r.head}
}

// Parse reads the head at the front of b and returns its length, which is 0
// if b ends before the head does: call it again with more. bodyless says the
// response cannot have a body, whatever its head claims (it answers HEAD).
// The error is a *SyntaxError.
func (r *Response) Parse(b []byte, bodyless bool) (int, error) {
	n, err := r.end(b)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, r.early(b)
	}
	rest, err := r.line(b[:n])
	if err == nil {
		err = r.fields(rest)
	}
	if err == nil {
		err = r.coding()
	}
	if err != nil {
		return 0, err
	}
	r.frame(bodyless)
	return n, nil
}

// early refuses what cannot become a response, however long one waits.
func (r *Response) early(b []byte) error {
	const start = "HTTP/1."
	if n := min(len(b), len(start)); string(b[:n]) != start[:n] {
		return errStatusLine
	}
	return nil
}

// line parses the status line and returns what follows it.
func (r *Response) line(b []byte) ([]byte, *SyntaxError) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return nil, errBareLF
	}
	line, rest := b[:end-1], b[end+1:]
	if len(line) < len("HTTP/1.1 200") || line[8] != ' ' {
		return nil, errStatusLine
	}
	var ok bool
	if r.Minor, ok = version(line[:8]); !ok {
		return nil, errVersion
	}
	code, ok := parseLength(line[9:12])
	if !ok || code < 100 {
		return nil, errStatusLine
	}
	if len(line) > 12 {
		if line[12] != ' ' || !all(line[13:], isValue) {
			return nil, errStatusLine
		}
		r.Reason = line[13:]
	}
	r.Status = int(code)
	return rest, nil
}

// frame finds the framing of the body (RFC 9112, 6.3).
func (r *Response) frame(bodyless bool) {
	switch {
	case bodyless || r.Status < 200 || r.Status == 204 || r.Status == 304:
		r.Framing = NoBody
	case r.chunked:
		r.Framing = Chunked
	case r.Length > 0:
		r.Framing = Fixed
	case r.Length == 0:
		r.Framing = NoBody
	default:
		r.Framing = UntilClose
	}
}

// Interim reports whether another head follows: any 1xx but 101.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

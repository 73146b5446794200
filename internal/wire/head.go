package wire

import "bytes"

// Framing says how the end of a message's body is found.
type Framing uint8

// The framings.
const (
	NoBody     Framing = iota // there is no body
	Fixed                     // Length bytes
	Chunked                   // the chunked transfer coding
	UntilClose                // until the connection ends; responses only
)

// head is what requests and responses have in common.
type head struct {
	Minor   int     // HTTP/1.Minor: 0 or 1
	Fields  []Field // in order; they point into the parsed buffer
	Framing Framing
	Length  int64 // of the body if Framing is Fixed; -1 if the head does not say

	Close     bool // Connection: close
	KeepAlive bool // Connection: keep-alive
	Switch    bool // Connection: upgrade

	Upgrade []byte // value of Upgrade, nil if there is none

	listed  [][]byte // further names listed in Connection
	chunked bool
	scanned int // bytes known to hold no end of a head
}

// reset forgets the last message and keeps the memory.
func (h *head) reset() {
	*h = head{Fields: h.Fields[:0], listed: h.listed[:0], Length: -1}
}

// Hop reports whether a field must not be passed on: it is hop-by-hop by
// itself, or listed in Connection.
func (h *head) Hop(f *Field) bool {
	if f.ID.HopByHop() {
		return true
	}
	for _, name := range h.listed {
		if bytes.EqualFold(name, f.Name) {
			return true
		}
	}
	return false
}

// end finds the length of the head at the front of b, the empty line
// included; 0 if it is not there yet.
func (h *head) end(b []byte) (int, *SyntaxError) {
	from := max(h.scanned-3, 0)
	if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
		h.scanned = 0
		return from + i + 4, nil
	}
	for rest := b[from:]; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		if at := len(b) - len(rest) + i; at == 0 || b[at-1] != '\r' {
			return 0, errBareLF
		}
		rest = rest[i+1:]
	}
	h.scanned = len(b)
	return 0, nil
}

// fields parses the field lines of b, which ends with the empty line.
func (h *head) fields(b []byte) *SyntaxError {
	for len(b) > 2 {
		if len(h.Fields) == MaxFields {
			return errFieldCount
		}
		f, rest, err := parseField(b)
		if err != nil {
			return err
		}
		h.Fields = append(h.Fields, f)
		if f.ID != Other {
			if err := h.note(&f); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}

// note takes in what the fields common to both messages say.
func (h *head) note(f *Field) *SyntaxError {
	switch f.ID {
	case ContentLength:
		if h.Length >= 0 {
			return errLengthTwice
		}
		n, ok := parseLength(f.Value)
		if !ok {
			return errLength
		}
		h.Length = n
	case TransferEncoding:
		if h.chunked {
			return errTETwice
		}
		if !EqualFold(f.Value, "chunked") {
			return errTE
		}
		h.chunked = true
	case Connection:
		return h.options(f.Value)
	case Upgrade:
		h.Upgrade = f.Value
	}
	return nil
}

// options takes in the value of a Connection field.
func (h *head) options(v []byte) *SyntaxError {
	for len(v) > 0 {
		var opt []byte
		opt, v, _ = bytes.Cut(v, []byte{','})
		opt = trim(opt)
		switch {
		case len(opt) == 0:
		case EqualFold(opt, "close"):
			h.Close = true
		case EqualFold(opt, "keep-alive"):
			h.KeepAlive = true
		case EqualFold(opt, "upgrade"):
			h.Switch = true
		case !all(opt, isToken) || len(h.listed) == MaxFields:
			return errConnection
		default:
			h.listed = append(h.listed, opt)
		}
	}
	return nil
}

// coding checks that the body's length is said once, in one way.
func (h *head) coding() *SyntaxError {
	switch {
	case !h.chunked:
		return nil
	case h.Length >= 0:
		return errLengthAndTE
	case h.Minor == 0:
		return errTEOld
	}
	return nil
}

// Persistent reports whether the sender keeps the connection open after this
// message.
func (h *head) Persistent() bool {
	if h.Minor == 0 {
		return h.KeepAlive && !h.Close
	}
	return !h.Close
}

// parseLength parses 1*DIGIT that fits an int64.
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// version parses "HTTP/1.0" or "HTTP/1.1".
func version(b []byte) (minor int, ok bool) {
	switch string(b) {
	case "HTTP/1.1":
		return 1, true
	case "HTTP/1.0":
		return 0, true
	}
	return 0, false
}

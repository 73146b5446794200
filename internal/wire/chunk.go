package wire

import (
	"bytes"
	"io"
)

// Limits of the chunked coding.
const (
	maxChunkLine = 1 << 10  // bytes of one chunk size line, its extensions included
	maxTrailer   = 16 << 10 // bytes of a trailer section
	maxExcess    = 16 << 10 // bytes of extensions beyond one for each byte of data
)

// chunkReader is the part of a Body that undoes the chunked coding.
type chunkReader struct {
	state    chunkState
	excess   int64 // extension bytes less data bytes, not below zero
	trailers []Field
}

type chunkState uint8

const (
	atSize    chunkState = iota // a chunk size line comes next
	inData                      // Body.left bytes of data come next
	atDataEnd                   // the CRLF after the data comes next
	atTrailer                   // the trailer section comes next
)

// ready reports whether the buffered bytes are enough for read to deliver
// something or to see the end.
func (r *chunkReader) ready(b *Body) bool {
	buf := b.c.Buffered()
	switch r.state {
	case inData:
		return len(buf) > 0
	case atDataEnd:
		if len(buf) <= 2 {
			return false
		}
		buf = buf[2:]
	case atTrailer:
		return bytes.HasPrefix(buf, []byte("\r\n")) || bytes.Contains(buf, []byte("\r\n\r\n"))
	}
	i := bytes.IndexByte(buf, '\n')
	return i >= 0 && i+1 < len(buf)
}

// read is Body.Read for the chunked coding. It gathers the data of as many
// chunks as are buffered, and looks for the end once it has some.
func (r *chunkReader) read(b *Body, p []byte) (n int, err error) {
	for {
		if r.state == inData {
			if n == len(p) {
				return n, nil
			}
			if n > 0 && len(b.c.Buffered()) == 0 {
				return n, nil
			}
			var m int
			m, err = r.data(b, p[n:])
			n += m
			if err != nil {
				return n, err
			}
			continue
		}
		more, err := r.step(b)
		if err != nil {
			return n, err
		}
		if b.done {
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		if !more {
			continue
		}
		if n > 0 {
			return n, nil
		}
		if err := r.fill(b); err != nil {
			return 0, err
		}
	}
}

// data delivers bytes of the current chunk.
func (r *chunkReader) data(b *Body, p []byte) (int, error) {
	p = p[:min(int64(len(p)), b.left)]
	if len(b.c.Buffered()) == 0 && len(p) < BufferSize {
		// Read through the buffer: what follows the chunk comes along.
		if err := r.fill(b); err != nil {
			return 0, err
		}
	}
	n, err := b.c.Read(p)
	b.left -= int64(n)
	r.excess = max(r.excess-int64(n), 0)
	if b.left == 0 {
		r.state = atDataEnd
	}
	switch {
	case n > 0:
		err = nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// fill waits for more of the coding itself.
func (r *chunkReader) fill(b *Body) error {
	b.c.Acknowledge()
	err := b.c.Fill(maxTrailer + BufferSize)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// step parses the next element that is not data. more is true if it is not
// wholly buffered yet.
func (r *chunkReader) step(b *Body) (more bool, err error) {
	buf := b.c.Buffered()
	switch r.state {
	case atDataEnd:
		if len(buf) > 0 && buf[0] != '\r' || len(buf) > 1 && buf[1] != '\n' {
			return false, errChunkEnd
		}
		if len(buf) < 2 {
			return true, nil
		}
		b.c.Discard(2)
		r.state = atSize
	case atSize:
		return r.size(b, buf)
	case atTrailer:
		return r.trailer(b, buf)
	}
	return false, nil
}

// size parses a chunk size line.
func (r *chunkReader) size(b *Body, buf []byte) (more bool, err error) {
	end := bytes.IndexByte(buf, '\n')
	if end < 0 {
		if len(buf) > maxChunkLine {
			return false, errChunkExt
		}
		return true, nil
	}
	if end > maxChunkLine {
		return false, errChunkExt
	}
	size, ext, serr := parseChunkLine(buf[:end+1])
	if serr != nil {
		return false, serr
	}
	if r.excess += int64(ext); r.excess > maxExcess {
		return false, errChunkExt
	}
	b.c.Discard(end + 1)
	b.left, r.state = size, inData
	if size == 0 {
		r.state = atTrailer
	}
	return false, nil
}

// parseChunkLine parses "1*HEXDIG [BWS ;ext] CRLF". ext is the number of
// bytes between the size and the CRLF.
func parseChunkLine(line []byte) (size int64, ext int, err *SyntaxError) {
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return 0, 0, errBareLF
	}
	line = line[:len(line)-2]
	i := 0
	for i < len(line) && class[line[i]]&isHex != 0 {
		if i == 15 {
			return 0, 0, errChunkSize // more than an int64 holds, or padding without end
		}
		size = size<<4 | int64(unhex(line[i]))
		i++
	}
	if i == 0 {
		return 0, 0, errChunkSize
	}
	rest := line[i:]
	if !all(rest, isValue) {
		return 0, 0, errChunkExt
	}
	if t := trim(rest); len(rest) > 0 && (len(t) == 0 || t[0] != ';') {
		return 0, 0, errChunkSize
	}
	return size, len(rest), nil
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// trailer parses the trailer section, once it is wholly there. The fields are
// kept in memory of their own: the buffer may go before they are used.
func (r *chunkReader) trailer(b *Body, buf []byte) (more bool, err error) {
	if bytes.HasPrefix(buf, []byte("\r\n")) {
		b.c.Discard(2)
		b.done = true
		return false, nil
	}
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		if len(buf) > maxTrailer {
			return false, errTrailerTooBig
		}
		return true, nil
	}
	if end > maxTrailer {
		return false, errTrailerTooBig
	}
	lines := bytes.Clone(buf[:end+2])
	for len(lines) > 0 {
		f, rest, serr := parseField(lines)
		if serr != nil {
			return false, serr
		}
		if len(r.trailers) == MaxFields {
			return false, errFieldCount
		}
		r.trailers = append(r.trailers, f)
		lines = rest
	}
	b.c.Discard(end + 4)
	b.done = true
	return false, nil
}

// TrailerAllowed reports whether a field may stand in a trailer section: it
// must not frame or route the message.
func TrailerAllowed(f *Field) bool {
	switch f.ID {
	case ContentLength, Expect, Forwarded, Host, Trailer:
		return false
	}
	return !f.ID.HopByHop()
}

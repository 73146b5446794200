package wire

import (
	"io"
	"math"
)

// Body reads the body of one message from a connection. Reset it before each
// message; the zero value is at its end.
type Body struct {
	c    *Conn
	kind Framing
	left int64 // bytes left: of the body (Fixed) or of the chunk (Chunked)
	done bool
	read int64 // body bytes delivered

	chunks chunkReader
}

// Reset makes b read a body of this kind. length is its size if kind is Fixed.
func (b *Body) Reset(c *Conn, kind Framing, length int64) {
	*b = Body{c: c, kind: kind, left: length}
	switch kind {
	case NoBody:
		b.left, b.done = 0, true
	case Fixed:
		b.done = length == 0
	case Chunked:
		b.left = 0
	case UntilClose:
		b.left = math.MaxInt64
	}
}

// Done reports whether the whole body, trailers included, has been read.
func (b *Body) Done() bool { return b.done }

// Count returns the number of body bytes read so far.
func (b *Body) Count() int64 { return b.read }

// Left returns how many bytes are still to come if that is known, else -1.
func (b *Body) Left() int64 {
	switch {
	case b.done:
		return 0
	case b.kind == Fixed:
		return b.left
	}
	return -1
}

// Trailers returns the trailer fields of a chunked body that is done. They
// are valid until Reset.
func (b *Body) Trailers() []Field { return b.chunks.trailers }

// Skip notes that n bytes of a Fixed body went another way (a splice).
func (b *Body) Skip(n int64) {
	b.left -= n
	b.read += n
	b.done = b.left <= 0
}

// Ready reports whether Read can return without waiting for the peer.
func (b *Body) Ready() bool {
	return b.done || len(b.c.Buffered()) > 0 && (b.kind != Chunked || b.chunks.ready(b))
}

// Read delivers what is there, waiting only if nothing is. It returns io.EOF
// with or after the last byte, io.ErrUnexpectedEOF if the connection ended too
// early, and a *SyntaxError if the chunked coding is broken.
func (b *Body) Read(p []byte) (n int, err error) {
	if b.done {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.kind == Chunked {
		n, err = b.chunks.read(b, p)
	} else {
		n, err = b.readPlain(p)
	}
	b.read += int64(n)
	if b.done && err == nil {
		err = io.EOF
	}
	return n, err
}

func (b *Body) readPlain(p []byte) (int, error) {
	n, err := b.c.Read(p[:min(int64(len(p)), b.left)])
	if b.kind == UntilClose {
		b.done = err == io.EOF
		if n > 0 && b.done {
			err = nil
		}
		return n, err
	}
	b.left -= int64(n)
	b.done = b.left == 0
	switch {
	case b.done || n > 0:
		err = nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

package httpcontract

import (
	"io"
	"net"
	"sync"

	"rouse.dev/rouse/internal/wire"
)

// Source is the body of a request.
type Source interface {
	io.Reader               // io.EOF with or after the last byte
	Trailers() []wire.Field // valid after io.EOF
}

// SourceError wraps an error of the Source: the client broke off or broke the
// framing. The instance must not take what it got for the whole.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return "reading the request body: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

const uploadBuffer = 32 << 10

var uploadBuffers = sync.Pool{New: func() any { return new([uploadBuffer]byte) }}

// Upload copies a request body to an instance, each piece as soon as it is
// there, until the end of src. The error is a *SourceError or that of dst.
func Upload(dst net.Conn, src Source, chunked bool) (err error) {
	mem := uploadBuffers.Get().(*[uploadBuffer]byte)
	defer uploadBuffers.Put(mem)
	for {
		piece, last, err := Piece(mem[:], 0, src, chunked)
		if len(piece) > 0 {
			if _, werr := dst.Write(piece); werr != nil {
				return werr
			}
		}
		if last || err != nil {
			return err
		}
	}
}

// Piece reads once from src and puts the result, framed, behind the first n
// bytes of buf, which has at least 64 bytes of room. It returns the bytes to
// be sent, those n included, and whether they complete the body. What came
// before an error is still to be sent.
func Piece(buf []byte, n int, src Source, chunked bool) (piece []byte, last bool, err error) {
	at, end := n, len(buf)
	if chunked {
		const lastChunk = 5 // "0" CRLF CRLF
		at, end = n+wire.ChunkBefore, end-wire.ChunkAfter-lastChunk
	}
	m, err := src.Read(buf[at:end])
	last = err == io.EOF
	if err != nil && !last {
		err = &SourceError{err}
	} else {
		err = nil
	}
	if !chunked {
		return buf[:n+m], last, err
	}
	if m > 0 {
		start, stop := wire.PutChunk(buf, at, m)
		n += copy(buf[n:], buf[start:stop])
	}
	piece = buf[:n]
	if last {
		piece = wire.AppendLastChunk(piece, src.Trailers())
	}
	return piece, last, err
}

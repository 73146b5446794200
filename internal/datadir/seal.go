package datadir

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"

	"rouse.dev/rouse/internal/fn"
)

// A seal is the end of a backup: a frame that zstd skips, with the SHA-256 of
// all bytes before the sum itself. It makes every change of an archive, and
// every cut, a refusal; it does not prove who wrote it.
const (
	sealHead = 8
	sealSize = sealHead + sha256.Size
)

// sealFrame is the head of the frame: magic number and length.
func sealFrame() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x184D2A50)
	return binary.LittleEndian.AppendUint32(b, sha256.Size)
}

// sealWriter passes bytes on and sums them.
type sealWriter struct {
	w   io.Writer
	sum hash.Hash
}

func newSealWriter(w io.Writer) *sealWriter { return &sealWriter{w, sha256.New()} }

func (s *sealWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sum.Write(p[:n])
	return n, err
}

// finish writes the seal.
func (s *sealWriter) finish() error {
	if _, err := s.Write(sealFrame()); err != nil {
		return err
	}
	_, err := s.w.Write(s.sum.Sum(nil))
	return err
}

// sealReader yields what stands before the seal, and io.EOF only if the seal is
// right.
type sealReader struct {
	r   *bufio.Reader
	sum hash.Hash
	err error // the end, io.EOF if it was a good one
}

func newSealReader(r io.Reader) *sealReader {
	return &sealReader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
}

func (s *sealReader) Read(p []byte) (int, error) {
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	ahead, err := s.r.Peek(min(len(p)+sealSize, s.r.Size()))
	if n := len(ahead) - sealSize; n > 0 {
		n = copy(p, ahead[:n])
		s.sum.Write(p[:n])
		_, err = s.r.Discard(n) // it was peeked at: no error
		return n, err
	}
	if s.err = err; errors.Is(err, io.EOF) {
		s.err = s.check(ahead)
	}
	return 0, s.err
}

// check returns io.EOF if end is the seal of what was read.
func (s *sealReader) check(end []byte) error {
	if len(end) < sealSize || !bytes.Equal(end[:sealHead], sealFrame()) {
		return fn.Errorf(fn.Invalid, "the backup is cut short, or is no backup")
	}
	s.sum.Write(end[:sealHead])
	if !bytes.Equal(s.sum.Sum(nil), end[sealHead:]) {
		return fn.Errorf(fn.Invalid, "the backup is damaged: its sum is wrong")
	}
	return io.EOF
}

package record

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// A snapshot is: magic; then for each object, in key order, the lengths of key
// and value (uvarint) and both; then a zero, the number of objects and the
// store's version (uvarint). Nothing follows.
const magic = "rouse objects 1\n"

// maxValue bounds an encoded value: an object, its version, label lengths.
const maxValue = 2*store.MaxObject + 64

// Writer writes a snapshot. It is for one goroutine.
type Writer struct {
	w     *bufio.Writer
	buf   []byte
	count uint64
	err   error
}

// NewWriter begins a snapshot on w.
func NewWriter(w io.Writer) *Writer {
	s := &Writer{w: bufio.NewWriterSize(w, 64<<10)}
	_, s.err = s.w.WriteString(magic)
	return s
}

// WriteRaw writes one object from its encoded key and value.
func (s *Writer) WriteRaw(key, value []byte) error {
	s.buf = binary.AppendUvarint(s.buf[:0], uint64(len(key)))
	s.buf = binary.AppendUvarint(s.buf, uint64(len(value)))
	for _, p := range [...][]byte{s.buf, key, value} {
		if s.err == nil {
			_, s.err = s.w.Write(p)
		}
	}
	s.count++
	return s.err
}

// Write writes one object.
func (s *Writer) Write(o store.Object) error {
	return s.WriteRaw(AppendKey(nil, o.Key), AppendValue(nil, o))
}

// Finish ends the snapshot of a store at version.
func (s *Writer) Finish(version uint64) error {
	s.buf = append(s.buf[:0], 0)
	s.buf = binary.AppendUvarint(s.buf, s.count)
	s.buf = binary.AppendUvarint(s.buf, version)
	if s.err == nil {
		_, s.err = s.w.Write(s.buf)
	}
	if s.err == nil {
		s.err = s.w.Flush()
	}
	return s.err
}

// Reader reads a snapshot. It is for one goroutine.
type Reader struct {
	r       *bufio.Reader
	version uint64
}

// NewReader reads a snapshot from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Version is the version of the store the snapshot was taken of. It is 0 before
// Objects has been read to its end.
func (s *Reader) Version() uint64 { return s.version }

// Objects yields the objects in key order. A snapshot that is damaged, cut
// short or followed by anything yields fn.Invalid last. It can be used once.
func (s *Reader) Objects() iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := s.begin(); err != nil {
			yield(store.Object{}, err)
			return
		}
		var last store.Key
		for n := uint64(0); ; n++ {
			o, ok, err := s.next(n)
			if ok && n > 0 && o.Key.Compare(last) <= 0 {
				err = fn.Errorf(fn.Invalid, "%s does not come after %s", o.Key, last)
			}
			if err != nil {
				yield(store.Object{}, fmt.Errorf("reading object %d of a snapshot: %w", n+1, err))
				return
			}
			if !ok || !yield(o, nil) {
				return
			}
			last = o.Key
		}
	}
}

func (s *Reader) begin() error {
	var head [len(magic)]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil || string(head[:]) != magic {
		return fn.Errorf(fn.Invalid, "reading a snapshot: it does not begin with %q", magic)
	}
	return nil
}

// next returns the next object; ok is false after the last one.
func (s *Reader) next(n uint64) (o store.Object, ok bool, err error) {
	keySize, err := s.uvarint()
	if err != nil || keySize == 0 {
		if err == nil {
			err = s.end(n)
		}
		return o, false, err
	}
	valueSize, err := s.uvarint()
	if err != nil {
		return o, false, err
	}
	if keySize > store.MaxKey+2 || valueSize > maxValue {
		return o, false, fn.Errorf(fn.Invalid, "a key of %d bytes with a value of %d bytes is over the limit", keySize, valueSize)
	}
	buf := make([]byte, keySize+valueSize)
	if _, err := io.ReadFull(s.r, buf); err != nil {
		return o, false, broken(err)
	}
	key, err := ParseKey(buf[:keySize])
	if err != nil {
		return o, false, err
	}
	o, err = ParseValue(key, buf[keySize:])
	return o, err == nil, err
}

// end reads what stands after the last of n objects.
func (s *Reader) end(n uint64) error {
	count, err := s.uvarint()
	if err != nil {
		return err
	}
	version, err := s.uvarint()
	if err != nil {
		return err
	}
	if _, err := s.r.ReadByte(); count != n || !errors.Is(err, io.EOF) {
		return fn.Errorf(fn.Invalid, "the snapshot holds %d objects and says %d, or goes on after its end", n, count)
	}
	s.version = version
	return nil
}

func (s *Reader) uvarint() (uint64, error) {
	v, err := binary.ReadUvarint(s.r)
	return v, broken(err)
}

// broken names the kind of a read error: a short or odd snapshot is fn.Invalid.
func broken(err error) error {
	if err == nil {
		return nil
	}
	return fn.Errorf(fn.Invalid, "the snapshot is cut short or damaged: %w", err)
}

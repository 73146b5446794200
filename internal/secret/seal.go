package secret

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"rouse.dev/rouse/internal/fn"
)

// MaxValue is the largest value in bytes.
const MaxValue = fn.MaxSecretValue

// Bounds of what is sealed.
const (
	maxName   = 1 << 10                        // of the name a value is bound to, in bytes
	maxPlain  = MaxValue + maxName + 16        // what is encrypted: the frame around a value
	maxSealed = maxPlain + maxPlain/64 + 4<<10 // age adds a header and 16 bytes to each 64 KiB
)

// frameVersion begins every plaintext: version, length of the name, name,
// value.
const frameVersion = 1

// Sealed is a value that only the holder of a key can read.
type Sealed struct {
	Key  string `json:"key"`  // which key opens it
	Data []byte `json:"data"` // an age file
}

// Seal encrypts a value of at most MaxValue bytes for a name, with the first
// key.
func (k *Keys) Seal(name string, value []byte) (Sealed, error) {
	if len(value) > MaxValue {
		return Sealed{}, fn.Errorf(fn.TooLarge, "a secret has at most %s, this one has %d bytes", fn.FormatBytes(MaxValue), len(value))
	}
	if len(name) > maxName {
		return Sealed{}, fn.Errorf(fn.Invalid, "the name %.80q is too long", name)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.ids[0].Recipient())
	if err == nil {
		_, err = w.Write(frame(name, value))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return Sealed{}, fn.Errorf(fn.Internal, "sealing %s: %w", name, err)
	}
	return Sealed{Key: idOf(k.ids[0]), Data: out.Bytes()}, nil
}

// Open decrypts what was sealed for name. fn.Conflict if this server has no
// key for it, fn.Invalid if it is damaged or was sealed for another name.
func (k *Keys) Open(name string, s Sealed) ([]byte, error) {
	if err := k.Has(s); err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	r, err := age.Decrypt(bytes.NewReader(s.Data), k.byID[s.Key])
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "opening %s: it is damaged, or sealed with another key than it says", name)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err != nil || len(plain) > maxPlain {
		return nil, fn.Errorf(fn.Invalid, "opening %s: it is damaged", name)
	}
	bound, value, err := unframe(plain)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "opening %s: %w", name, err)
	}
	if bound != name {
		return nil, fn.Errorf(fn.Invalid, "opening %s: it was sealed for another name", name)
	}
	return value, nil
}

// Has returns fn.Conflict, with a hint what to copy, unless one of the keys
// is the one that s names.
func (k *Keys) Has(s Sealed) error {
	if k.byID[s.Key] != nil {
		return nil
	}
	return fn.WithHint(fn.Errorf(fn.Conflict, "it is sealed with key %.16q of another server", s.Key),
		"add the lines of the other server's %s to %s and start this server again", KeyFile, k.path)
}

// Check returns fn.Invalid unless s has the form of a sealed value. It needs
// no key.
func Check(s Sealed) error {
	switch {
	case len(s.Key) != 16:
		return fn.Mistake{Field: "sealed.key", Reason: "does not name a key"}
	case len(s.Data) > maxSealed:
		return fn.Mistake{Field: "sealed.data", Reason: "is larger than any sealed value"}
	}
	header, err := age.ExtractHeader(bytes.NewReader(s.Data))
	if err != nil || len(header) == len(s.Data) {
		return fn.Mistake{Field: "sealed.data", Reason: "is not an age file"}
	}
	return nil
}

func frame(name string, value []byte) []byte {
	b := make([]byte, 0, 1+binary.MaxVarintLen16+len(name)+len(value))
	b = append(b, frameVersion)
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	return append(b, value...)
}

func unframe(b []byte) (name string, value []byte, err error) {
	if len(b) == 0 || b[0] != frameVersion {
		return "", nil, errors.New("it was made by a newer version of rouse")
	}
	n, used := binary.Uvarint(b[1:])
	rest := b[1:]
	if used <= 0 || n > maxName || uint64(len(rest)-used) < n {
		return "", nil, errors.New("it is damaged")
	}
	rest = rest[used:]
	if value = rest[n:]; len(value) > MaxValue {
		return "", nil, errors.New("it is damaged")
	}
	return string(rest[:n]), value, nil
}

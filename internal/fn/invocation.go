package fn

import "time"

// CallID names one invocation: a version 7 UUID (RFC 9562), so ids sort by
// time.
type CallID [16]byte

const hexDigits = "0123456789abcdef"

// AppendTo appends the canonical text form, 36 bytes.
func (id CallID) AppendTo(b []byte) []byte {
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// String returns the canonical text form.
func (id CallID) String() string { return string(id.AppendTo(make([]byte, 0, 36))) }

// MakeCallID builds an id from the time in milliseconds since 1970 and 80
// random bits (hi: 16 used, lo: 64 used).
func MakeCallID(ms uint64, hi, lo uint64) CallID {
	var id CallID
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = 0x70 | byte(hi>>8)&0x0f
	id[7] = byte(hi)
	for i := range 8 {
		id[8+i] = byte(lo >> (56 - 8*i))
	}
	id[8] = 0x80 | id[8]&0x3f
	return id
}

// ParseCallID reads the canonical text form of a UUID, in lower case. ok is
// false for anything else, and for the UUID of zeros.
func ParseCallID(text []byte) (id CallID, ok bool) {
	if len(text) != 36 {
		return CallID{}, false
	}
	n := 0
	for i := 0; i < 36; i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if text[i] != '-' {
				return CallID{}, false
			}
			continue
		}
		hi, lo := hexValue(text[i]), hexValue(text[i+1])
		if hi > 15 || lo > 15 {
			return CallID{}, false
		}
		id[n] = hi<<4 | lo
		n++
		i++
	}
	return id, id != CallID{}
}

// hexValue is the value of a digit in lower case; 255 of anything else.
func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// StartKind says what a call had to wait for.
type StartKind uint8

// The kinds of start, cheapest first.
const (
	Warm StartKind = iota // a ready instance had a free slot
	Thaw                  // a frozen instance was thawed
	Held                  // waited for a slot of a running instance
	Cold                  // waited for a new instance
)

func (k StartKind) String() string { return [...]string{"warm", "thaw", "held", "cold"}[k] }

// Timing is how long each phase of a call took.
type Timing struct {
	Route, Queue, Start, Init, Run, Reply time.Duration
}

// Invocation is one finished call.
type Invocation struct {
	ID       CallID
	Revision RevisionRef // Number 0 if the call never got that far
	Instance string
	Began    time.Time
	Timing   Timing
	Kind     StartKind
	Status   int    // HTTP status sent; 0 if the client left before one was
	Cause    string // Failure.Cause if the platform failed it, else ""
	Phase    Phase  // Failure.Phase
	In, Out  int64  // body bytes
}

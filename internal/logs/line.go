package logs

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// The streams of a Line.
const (
	Stdout = "stdout"
	Stderr = "stderr"
	Remark = "rouse" // said by the platform about the output
)

// MaxLine is the largest number of bytes kept of a line; the rest of a longer
// one is thrown away.
const MaxLine = 16 << 10

// Line is one line a function printed.
type Line struct {
	Time     time.Time
	Stream   string // Stdout, Stderr or Remark
	Revision int
	Instance string
	Call     string // id of the call the instance was working on; "" if not known
	Text     string // without the line end; any bytes
	Cut      bool   // Text is only the first MaxLine bytes
}

// MarshalJSON writes the line as JSON. Bytes of the text that are not UTF-8
// become \xNN, so that no two texts look alike by accident.
func (l Line) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Time     time.Time `json:"time"`
		Stream   string    `json:"stream"`
		Revision int       `json:"revision,omitempty"`
		Instance string    `json:"instance,omitempty"`
		Call     string    `json:"callId,omitempty"`
		Text     string    `json:"text"`
		Cut      bool      `json:"cut,omitempty"`
	}{l.Time, l.Stream, l.Revision, l.Instance, l.Call, Valid(l.Text), l.Cut})
}

// Valid returns s as UTF-8: bytes that are not become \xNN. Control characters
// stay; JSON can carry them.
func Valid(s string) string { return escape(s, notText) }

// Printable returns s with everything that could upset a terminal written as
// \xNN: control bytes except the tab, and what is not UTF-8.
func Printable(s string) string {
	return escape(s, func(r rune, size int) bool {
		return notText(r, size) || r < 0x20 && r != '\t' || r >= 0x7f && r <= 0x9f
	})
}

func notText(r rune, size int) bool { return r == utf8.RuneError && size == 1 }

// escape writes the bytes of each rune that is bad as \xNN.
func escape(s string, bad func(r rune, size int) bool) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if bad(r, size) {
			b.WriteString(s[done:i])
			for _, c := range []byte(s[i : i+size]) {
				b.WriteString(`\x`)
				b.WriteByte(hex[c>>4])
				b.WriteByte(hex[c&15])
			}
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

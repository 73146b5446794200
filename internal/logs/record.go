package logs

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// A record is a head of five fields and the text, separated by spaces, ended
// by a newline.
const (
	timeForm  = "2006-01-02T15:04:05.000000000Z"
	maxHead   = 256 // bytes of the longest head
	maxRecord = maxHead + MaxLine + 1
	noCall    = "-"
)

// letters are the streams as records have them; capitals mark cut lines.
func letter(stream string, cut bool) byte {
	c := byte('o')
	switch stream {
	case Stderr:
		c = 'e'
	case Remark:
		c = 'r'
	}
	if cut {
		c -= 'a' - 'A'
	}
	return c
}

func streamOf(c byte) (stream string, cut, ok bool) {
	switch c | 0x20 {
	case 'o':
		stream = Stdout
	case 'e':
		stream = Stderr
	case 'r':
		stream = Remark
	}
	return stream, c < 'a', stream != ""
}

// letterAt is the position of the letter in a record.
const letterAt = len(timeForm) + 1

// appendHead appends the head of a record, with the space that ends it.
func appendHead(b []byte, l *Line) []byte {
	b = l.Time.UTC().AppendFormat(b, timeForm)
	b = append(b, ' ', letter(l.Stream, l.Cut), ' ')
	b = strconv.AppendInt(b, int64(l.Revision), 10)
	b = append(b, ' ')
	b = append(b, l.Instance...)
	b = append(b, ' ')
	if l.Call == "" {
		b = append(b, noCall...)
	} else {
		b = append(b, l.Call...)
	}
	return append(b, ' ')
}

// parse reads a record without its newline. It reports false for anything
// that appendHead does not write: the remains of a crash, or damage.
func parse(rec []byte) (l Line, ok bool) {
	if len(rec) < letterAt+3 || rec[letterAt-1] != ' ' || rec[letterAt+1] != ' ' {
		return l, false
	}
	var err error
	if l.Time, err = time.Parse(timeForm, string(rec[:len(timeForm)])); err != nil {
		return l, false
	}
	if l.Stream, l.Cut, ok = streamOf(rec[letterAt]); !ok {
		return l, false
	}
	rev, rest, ok := bytes.Cut(rec[letterAt+2:], []byte{' '})
	if l.Revision, err = strconv.Atoi(string(rev)); !ok || err != nil {
		return l, false
	}
	instance, rest, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(instance) == 0 || len(instance) > maxWord {
		return l, false
	}
	call, text, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(call) == 0 || len(call) > maxWord {
		return l, false
	}
	l.Instance, l.Text = string(instance), string(text)
	if string(call) != noCall {
		l.Call = string(call)
	}
	return l, true
}

// maxWord bounds a name within a head.
const maxWord = 64

// word makes s fit for a head: not empty, no spaces or control bytes, not
// longer than maxWord.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '_'
		}
		return r
	}, s[:min(len(s), maxWord)])
	if s == "" {
		return "_"
	}
	return s
}

package queue

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"rouse.dev/rouse/internal/fn"
)

// Limits are what an adapter keeps of its own accord.
type Limits struct {
	Body  int // bytes of one body
	Total int // bytes of all heads and bodies of one Publish
}

// CheckMessages returns fn.Invalid or fn.TooLarge if the messages of one
// Publish can never be kept. Adapters call it first.
func CheckMessages(l Limits, messages []Message) error {
	total := 0
	for i, m := range messages {
		if err := checkMessage(l, m); err != nil {
			return err
		}
		if total += len(m.Head) + len(m.Body); total > l.Total {
			return fn.Errorf(fn.TooLarge, "publishing %d messages: up to number %d they have %d bytes, %d are allowed at once", len(messages), i+1, total, l.Total)
		}
	}
	return nil
}

func checkMessage(l Limits, m Message) error {
	if err := CheckStream(m.Stream); err != nil {
		return err
	}
	switch {
	case len(m.ID) > MaxID:
		return fn.Errorf(fn.Invalid, "the message's ID has %d bytes, %d are allowed", len(m.ID), MaxID)
	case !printable(m.ID):
		return fn.Errorf(fn.Invalid, "the message's ID %q has characters that cannot be printed", m.ID)
	case len(m.Head) > MaxHead:
		return fn.Errorf(fn.TooLarge, "the message's head has %d bytes, %d are allowed", len(m.Head), MaxHead)
	case len(m.Body) > l.Body:
		return fn.Errorf(fn.TooLarge, "the message's body has %d bytes, %d are allowed", len(m.Body), l.Body)
	}
	return nil
}

// CheckStream returns fn.Invalid unless name can be that of a stream.
func CheckStream(name string) error {
	switch {
	case name == "":
		return fn.Errorf(fn.Invalid, "the stream has no name")
	case len(name) > MaxStream:
		return fn.Errorf(fn.Invalid, "the name of the stream has %d bytes, %d are allowed: %.40q…", len(name), MaxStream, name)
	case !printable(name):
		return fn.Errorf(fn.Invalid, "the name of the stream has characters that cannot be printed: %q", name)
	case strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.Contains(name, "//"):
		return fn.Errorf(fn.Invalid, "the name of the stream has an empty part: %q", name)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// CheckOutcomes returns fn.Invalid if the outcomes of one Settle make no sense
// whatever is leased. Adapters call it first.
func CheckOutcomes(outcomes []Outcome) error {
	type message struct {
		stream string
		seq    uint64
	}
	seen := make(map[message]bool, len(outcomes))
	for _, o := range outcomes {
		m := message{o.Stream, o.Seq}
		switch {
		case o.Action > Extend:
			return fn.Errorf(fn.Invalid, "settling message %d of %s: there is no action %d", o.Seq, o.Stream, o.Action)
		case seen[m]:
			return fn.Errorf(fn.Invalid, "settling message %d of %s: it has two outcomes", o.Seq, o.Stream)
		}
		seen[m] = true
	}
	return nil
}

// CutReason shortens a reason to MaxReason bytes, between two characters.
func CutReason(s string) string {
	if len(s) <= MaxReason {
		return s
	}
	end := MaxReason
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

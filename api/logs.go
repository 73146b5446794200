package api

import "time"

// LogLine is one line a function printed.
type LogLine struct {
	Time     time.Time `json:"time"`
	Stream   string    `json:"stream"` // "stdout", "stderr", or "rouse" for remarks of the platform
	Revision int       `json:"revision,omitempty"`
	Instance string    `json:"instance,omitempty"`
	CallID   string    `json:"callId,omitempty"` // if known
	Text     string    `json:"text"`
}

// LogEvent is one line of a logs answer: a line, or last an error.
type LogEvent struct {
	*LogLine
	Error *Error `json:"error,omitempty"`
}

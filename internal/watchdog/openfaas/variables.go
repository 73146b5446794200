package openfaas

import (
	"strconv"
	"strings"
	"time"
)

// variablesOf is an environment by name.
type variablesOf map[string]string

func variables(env []string) variablesOf {
	v := variablesOf{}
	for _, pair := range env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			v[name] = value
		}
	}
	return v
}

// text returns the first of several variables that is set, or def.
func (v variablesOf) text(def string, names ...string) string {
	for _, name := range names {
		if v[name] != "" {
			return v[name]
		}
	}
	return def
}

// flag is true for "true" or "1", and false for anything else that is set.
func (v variablesOf) flag(name string, def bool) bool {
	switch v[name] {
	case "":
		return def
	case "true", "1":
		return true
	}
	return false
}

// number falls back to def when there is none, or none between least and most.
func (v variablesOf) number(name string, def, least, most int) int {
	n, err := strconv.Atoi(v[name])
	if err != nil || n < least || n > most {
		return def
	}
	return n
}

// duration is a number of seconds or a Go duration; what is neither, or
// negative, is def.
func (v variablesOf) duration(name string, def time.Duration) time.Duration {
	const most = 1 << 31 // seconds; no overflow
	if n, err := strconv.Atoi(v[name]); err == nil && n >= 0 && n < most {
		return time.Duration(n) * time.Second
	}
	if d, err := time.ParseDuration(v[name]); err == nil && d >= 0 {
		return d
	}
	return def
}

const (
	defaultMaxLine = 64 << 10
	unlimitedLine  = 64 << 20 // what "unlimited" comes to: a line is held in memory until it ends
)

// lineLength reads log_buffer_size; -1 is unlimited.
func (v variablesOf) lineLength() int {
	if v["log_buffer_size"] == "-1" {
		return unlimitedLine
	}
	return v.number("log_buffer_size", defaultMaxLine, 1, unlimitedLine)
}

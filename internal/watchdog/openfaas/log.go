package openfaas

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// logger prints the watchdog's own lines as well as the function's.
type logger struct {
	out, err *fork.Log
	tagged   bool // lines of a call begin with its id: the platform takes it off again
}

// printf prints a line of the watchdog's own, after date and time. id is that
// of the call it belongs to, or "".
func (l *logger) printf(id, format string, args ...any) {
	l.err.Line(l.tag(id), stamp()+fmt.Sprintf(format, args...))
}

func (l *logger) tag(id string) string {
	const length = 36 // of an id the platform made, which it recognises
	if !l.tagged || len(id) != length {
		return ""
	}
	return id
}

func stamp() string { return time.Now().Format("2006/01/02 15:04:05 ") }

// lines returns what takes one stream of a program, "stdout" or "stderr", for
// the log. id is as in printf.
func (w *watchdog) lines(stream, id string) *fork.Lines {
	to := w.log.err
	if stream == "stdout" {
		to = w.log.out
	}
	id = w.log.tag(id)
	return &fork.Lines{Max: w.maxLine, Wrap: true, Emit: func(line string) {
		if w.prefixLogs {
			line = stamp() + stream + ": " + line
		}
		to.Line(id, line)
	}}
}

// logRequest prints the line of one request; status is "200" or "200 OK".
func (w *watchdog) logRequest(r *http.Request, status string, size int64, took time.Duration) {
	if !w.logRequests || strings.HasPrefix(r.UserAgent(), "kube-probe") {
		return
	}
	id := r.Header.Get("X-Call-Id")
	tail := ""
	if w.logCallID {
		tail = " [none]"
		if id != "" {
			tail = " [" + id + "]"
		}
	}
	w.log.printf(id, "%s %s - %s - ContentLength: %s (%.4fs)%s", r.Method, r.RequestURI, status, humanSize(size), took.Seconds(), tail)
}

// humanSize writes a size with four digits at most: "12B", "1.5kB".
func humanSize(n int64) string {
	size, unit := float64(n), 0
	units := [...]string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for size >= 1000 && unit < len(units)-1 {
		size, unit = size/1000, unit+1
	}
	return strconv.FormatFloat(size, 'g', 4, 64) + units[unit]
}

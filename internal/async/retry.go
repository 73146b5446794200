package async

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Annotations of a function that say how its asynchronous calls are carried
// out (docs.openfaas.com, "Retries for functions" and "Dedicated queues").
const (
	QueueAnnotation    = "com.openfaas.queue"          // name of the queue; default DefaultQueue
	AttemptsAnnotation = "com.openfaas.retry.attempts" // tries in all; 0 and 1 mean no retry
	CodesAnnotation    = "com.openfaas.retry.codes"    // statuses of the function that are tried again: "429,503"
	MinWaitAnnotation  = "com.openfaas.retry.min_wait" // "10s"
	MaxWaitAnnotation  = "com.openfaas.retry.max_wait" // "2m"
)

// DefaultQueue is the queue of functions that do not name one.
const DefaultQueue = "faas-request"

// Bounds of a retry policy.
const (
	MaxAttempts = 1000
	MaxWait     = 24 * time.Hour
	maxQueue    = 63
)

// Jitter says how much of a back-off is left to chance, so that calls that
// failed together do not come back together.
type Jitter string

// The kinds of jitter.
const (
	NoJitter    Jitter = "exponential" // none
	FullJitter  Jitter = "full"        // from 0 to the whole back-off
	EqualJitter Jitter = "equal"       // from half of the back-off to the whole
)

// Retry says how often, when, and after what a call is tried again.
type Retry struct {
	Attempts int           // tries in all
	Codes    []int         // statuses of the function that are tried again; what the platform failed always is
	MinWait  time.Duration // before the second try; doubled for each further one
	MaxWait  time.Duration // between two tries at most
	Jitter   Jitter        // "" is NoJitter
}

// DefaultRetry is the policy of a server that is told nothing.
func DefaultRetry() Retry {
	return Retry{
		Attempts: 10, Codes: []int{408, 429, 500, 502, 503, 504},
		MinWait: 10 * time.Second, MaxWait: 2 * time.Minute, Jitter: NoJitter,
	}
}

// Validate checks the annotations this package reads: all mistakes at once.
// Others are none of its business.
func Validate(annotations map[string]string) error {
	var ms fn.Mistakes
	readAnnotations(&ms, annotations, DefaultRetry())
	return ms.Err()
}

// of returns the policy and the queue of a function. What cannot be read, and
// was stored before it was checked, counts as not there.
func (r Retry) of(annotations map[string]string) (Retry, string) {
	var ignored fn.Mistakes
	return readAnnotations(&ignored, annotations, r)
}

func readAnnotations(ms *fn.Mistakes, a map[string]string, r Retry) (Retry, string) {
	queueName := DefaultQueue
	for _, key := range slices.Sorted(maps.Keys(a)) {
		field, text := "annotations."+key, strings.TrimSpace(a[key])
		switch key {
		case QueueAnnotation:
			if !validQueue(text) {
				ms.Add(field, "%q is not the name of a queue: use 1 to %d letters, digits, '-', '_' and '.'", text, maxQueue)
				continue
			}
			queueName = text
		case AttemptsAnnotation:
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > MaxAttempts {
				ms.Add(field, "must be a number from 0 to %d, got %q", MaxAttempts, text)
				continue
			}
			r.Attempts = max(n, 1)
		case CodesAnnotation:
			if codes, ok := readCodes(text); ok {
				r.Codes = codes
			} else {
				ms.Add(field, "must be statuses such as 429,503, got %q", text)
			}
		case MinWaitAnnotation:
			readWait(ms, field, text, &r.MinWait)
		case MaxWaitAnnotation:
			readWait(ms, field, text, &r.MaxWait)
		}
	}
	return r, queueName
}

func validQueue(s string) bool {
	if s == "" || len(s) > maxQueue {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

func readCodes(text string) ([]int, bool) {
	codes := []int{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		code, err := strconv.Atoi(part)
		if err != nil || code < 100 || code > 599 {
			return nil, false
		}
		codes = append(codes, code)
	}
	return codes, true
}

func readWait(ms *fn.Mistakes, field, text string, to *time.Duration) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxWait {
		ms.Add(field, "must be a time span from 0s to %v, such as 10s, got %q", MaxWait, text)
		return
	}
	*to = d
}

// wait is how long to wait before the next try, after attempt tries. after is
// what the function asked for, 0 if nothing; it replaces the back-off, and is
// never less than MinWait.
func (r Retry) wait(attempt int, after time.Duration, random float64) time.Duration {
	if after > 0 {
		return min(max(after, r.MinWait), MaxWait)
	}
	longest := max(r.MaxWait, r.MinWait)
	d := r.MinWait
	for i := 1; i < attempt && d < longest; i++ {
		d *= 2
	}
	d = min(d, longest)
	switch r.Jitter {
	case FullJitter:
		return time.Duration(random * float64(d))
	case EqualJitter:
		return d/2 + time.Duration(random*float64(d/2))
	}
	return d
}

// retryAfter reads the field of that name: seconds or a date (RFC 9110,
// section 10.2.3). It counts for 429 and 503 only.
func retryAfter(status int, h http.Header, now time.Time) time.Duration {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return 0
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

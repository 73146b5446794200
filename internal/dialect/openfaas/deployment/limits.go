package deployment

import (
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Least limits. What is asked below is kept as text and raised in fact: a
// container of OpenFaaS has a watchdog of 5 MB and nothing else in it, an
// instance here has ours, and the C library and interpreter of the host.
const (
	leastMemory = 32 << 20
	leastCPU    = fn.MinCPU
)

// readLimits reads the limits of a deployment into l. The requests are checked
// only: they are for a scheduler, and there is one host here.
func readLimits(ms *fn.Mistakes, req *Request, l *fn.Limits) {
	if r := req.Limits; r != nil {
		if v := quantity(ms, "limits.memory", r.Memory, memoryOf); v > 0 {
			l.Memory = v
		}
		if v := quantity(ms, "limits.cpu", r.CPU, cpuOf); v > 0 {
			l.CPU = v
		}
	}
	if r := req.Requests; r != nil {
		quantity(ms, "requests.memory", r.Memory, memoryOf)
		quantity(ms, "requests.cpu", r.CPU, cpuOf)
	}
	if t := timeoutOf(req.Env); t > 0 {
		l.Timeout = t
	}
}

// memoryOf is the limit that a text of a deployment means.
func memoryOf(s string) (int64, error) {
	n, err := fn.ParseBytes(s)
	if n > 0 {
		n = max(n, leastMemory)
	}
	return n, err
}

func cpuOf(s string) (int, error) {
	n, err := fn.ParseCPU(s)
	if n > 0 {
		n = max(n, leastCPU)
	}
	return n, err
}

// quantity reads a value that, if given, must be more than zero.
func quantity[T int | int64](ms *fn.Mistakes, field, s string, parse func(string) (T, error)) T {
	if s == "" {
		return 0
	}
	v, err := parse(s)
	switch {
	case err != nil:
		ms.Add(field, "%v", err)
	case v <= 0:
		ms.Add(field, "must be more than 0, got %s", clip(s))
	}
	return max(v, 0)
}

// timeoutOf is the one deadline of a call among the three that a watchdog
// knows: what the function may take, else what its answer may; 0 if neither
// says anything. A text that is no time is as good as none, as it is there.
func timeoutOf(env map[string]string) time.Duration {
	for _, name := range []string{"exec_timeout", "write_timeout"} {
		if d := seconds(env[name]); d > 0 {
			return d
		}
	}
	return 0
}

// seconds reads a watchdog's time: whole seconds, or a Go duration.
func seconds(s string) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return d
}

package observe

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"rouse.dev/rouse/internal/fn"
)

// foreign serves the counters once more, under the names and labels that
// OpenFaaS's dashboards and alerts ask for. docs/metrics.md explains each.
type foreign struct {
	o      *Observer
	loads  Source // may be nil
	queues Queues // may be nil
	d      foreignDescs
}

type foreignDescs struct {
	calls, started, duration                    *prometheus.Desc
	count, inFlight, readyCount, lowest, target *prometheus.Desc
	cpu, memory, scaled                         *prometheus.Desc
	pending, submitted, processed, working      *prometheus.Desc
	http, httpDuration, inner, innerDuration    *prometheus.Desc
}

func newForeignDescs() foreignDescs {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	f := func(name, help string, labels ...string) *prometheus.Desc {
		return d(name, help, append([]string{"function_name"}, labels...)...)
	}
	return foreignDescs{
		calls:    f("gateway_function_invocation_total", "Finished calls by status.", "code"),
		started:  f("gateway_function_invocation_started", "Calls begun."),
		duration: f("gateway_functions_seconds", "Time from the arrival of a call to the end of its answer.", "code"),

		count:      f("gateway_service_count", "Instances wanted."),
		inFlight:   f("gateway_function_invocation_inflight", "Calls being made now, those that wait included."),
		readyCount: f("gateway_service_ready_count", "Instances that can take calls."),
		lowest:     f("gateway_service_min", "Instances kept whatever the traffic."),
		target:     f("gateway_service_target_load", "Wanted load of one instance.", "scaling_type"),
		cpu:        f("pod_cpu_usage_seconds_total", "Processor time of all instances.", "namespace"),
		memory:     f("pod_memory_working_set_bytes", "Memory of the instances there are.", "namespace"),
		scaled:     f("faasnetes_scale_total", "Starts of instances.", "status"),

		pending:   f("queue_worker_pending_messages", "Asynchronous calls that wait.", "queue_name"),
		submitted: f("queue_worker_messages_submitted_total", "Asynchronous calls accepted.", "queue_name"),
		processed: f("queue_worker_messages_processed_total", "Asynchronous calls done with.", "queue_name"),
		working:   f("queue_worker_function_invocation_inflight", "Asynchronous calls being made now.", "queue_name"),

		http:          d("http_requests_total", "Requests of the API.", "method", "path", "status", "code"),
		httpDuration:  d("http_request_duration_seconds", "Time requests of the API took.", "method", "path", "status", "code"),
		inner:         d("provider_http_requests_total", "Requests of the API that manage functions.", "method", "path", "code"),
		innerDuration: d("provider_http_request_duration_seconds", "Time such requests took.", "method", "path", "code"),
	}
}

// Describe implements prometheus.Collector.
func (c *foreign) Describe(ch chan<- *prometheus.Desc) {
	d := &c.d
	for _, desc := range []*prometheus.Desc{
		d.calls, d.started, d.duration, d.count, d.inFlight, d.readyCount, d.lowest, d.target, d.cpu, d.memory, d.scaled,
		d.pending, d.submitted, d.processed, d.working, d.http, d.httpDuration, d.inner, d.innerDuration,
	} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector. Finished calls are read before
// those in flight: then a call may be missed for a moment, but is never counted
// twice, and what was started never falls.
func (c *foreign) Collect(ch chan<- prometheus.Metric) {
	e := emitter{ch: ch, les: leSeconds()}
	done := map[*series]uint64{}
	for s := range c.o.table.all {
		if n := s.calls(); n > 0 && s != c.o.table.unknown {
			done[s] = n
		}
	}
	now := loadsOf(c.o, c.loads)
	for s := range now {
		done[s] += 0
	}
	for _, s := range slices.SortedFunc(maps.Keys(done), byName) {
		name := c.o.cfg.Names(s.ref)
		c.past(&e, s, name)
		c.present(&e, s, name, done[s], now[s])
	}
	c.asynchronous(&e)
	c.requests(&e)
}

// past exports what finished calls add up to.
func (c *foreign) past(e *emitter, s *series, name string) {
	for code, r := range s.statuses() {
		e.counter(c.d.calls, r.total(), name, code)
		e.customary(c.d.duration, r, name, code)
	}
	if b := s.boots.Load(); b != nil {
		e.counter(c.d.scaled, b.started.Load(), name, "success")
		var failed uint64
		for _, row := range b.failed.all() {
			failed += row.n.Load()
		}
		e.counter(c.d.scaled, failed, name, "error")
	}
}

// present exports what is true now. l is nil for a function that is asleep.
func (c *foreign) present(e *emitter, s *series, name string, done uint64, l *Load) {
	shown := once(&s.shown)
	if l == nil {
		l = &Load{}
	}
	hand := l.InFlight + l.Held
	e.counter(c.d.started, shown.started.raise(done+uint64(max(hand, 0))), name)
	e.gauge(c.d.count, float64(l.Wanted), name)
	e.gauge(c.d.inFlight, float64(hand), name)
	e.gauge(c.d.readyCount, float64(l.Instances.Ready+l.Instances.Busy+l.Instances.Frozen), name)
	if l.Min > 0 {
		e.gauge(c.d.lowest, float64(l.Min), name)
	}
	if l.Metric != "" {
		e.gauge(c.d.target, l.Goal, name, scalingType(l.Metric))
	}
	var cpu uint64
	if b := s.boots.Load(); b != nil {
		cpu = b.cpu.Load()
	}
	var memory int64
	for _, meter := range l.Meters {
		if u, err := meter(); err == nil { // else it has ended
			cpu += uint64(max(u.CPU, 0))
			memory += u.Memory
		}
	}
	_, namespace, _ := strings.Cut(name, ".")
	e.time(c.d.cpu, shown.cpu.raise(cpu), name, namespace)
	if len(l.Meters) > 0 {
		e.gauge(c.d.memory, float64(memory), name, namespace)
	}
}

// scalingType is what OpenFaaS calls a metric.
func scalingType(m fn.Metric) string {
	if m == fn.MetricConcurrency {
		return "capacity"
	}
	return string(m)
}

// asynchronous exports what the queues say.
func (c *foreign) asynchronous(e *emitter) {
	if c.queues == nil {
		return
	}
	for q := range c.queues.Queues() {
		name := c.o.cfg.Names(q.Ref)
		e.gauge(c.d.pending, float64(q.Pending), name, q.Name)
		e.gauge(c.d.working, float64(q.InFlight), name, q.Name)
		e.counter(c.d.submitted, q.Submitted, name, q.Name)
		e.counter(c.d.processed, q.Processed, name, q.Name)
	}
}

// shown is what was exported last of sums that are put together from parts
// read one after the other: a counter must not fall.
type shown struct{ started, cpu highest }

// highest is a number that only grows.
type highest struct{ v atomic.Uint64 }

// raise makes it at least n, and returns it.
func (h *highest) raise(n uint64) uint64 {
	for {
		old := h.v.Load()
		if n <= old {
			return old
		}
		if h.v.CompareAndSwap(old, n) {
			return n
		}
	}
}

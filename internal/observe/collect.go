package observe

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"rouse.dev/rouse/internal/fn"
)

// collector turns the counters into Prometheus metrics when it is asked.
// What is zero is left out, except in the gauges of functions that are awake.
type collector struct {
	o       *Observer
	src     Source // may be nil
	numbers []Number
	d       descs
}

// descs are the metrics by name; docs/metrics.md explains each.
type descs struct {
	calls, duration, phase, kind, coldWait, in, out *prometheus.Desc
	starts, startFailures, startPhase, exits, cpu   *prometheus.Desc
	inFlight, held, instances, wanted               *prometheus.Desc
	functions, info                                 *prometheus.Desc
	numbers                                         []*prometheus.Desc
}

func newDescs(numbers []Number) descs {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"namespace", "function"}, labels...), nil)
	}
	ds := descs{
		calls:    d("rouse_calls_total", "Finished calls by group of status, and by cause if the platform failed them.", "code", "cause"),
		duration: d("rouse_call_duration_seconds", "Time from the arrival of a call to the end of its answer."),
		phase:    d("rouse_call_phase_seconds_total", "Time calls spent in each phase.", "phase"),
		kind:     d("rouse_call_starts_total", "Finished calls by what they had to wait for.", "start"),
		coldWait: d("rouse_cold_start_seconds", "Time calls waited for a new instance: queue, start and init."),
		in:       d("rouse_call_request_bytes_total", "Bytes of request bodies."),
		out:      d("rouse_call_response_bytes_total", "Bytes of response bodies."),

		starts:        d("rouse_instance_starts_total", "Instances started."),
		startFailures: d("rouse_instance_start_failures_total", "Starts that came to nothing, by cause.", "cause"),
		exits:         d("rouse_instance_exits_total", "Instances that ended, by reason; stopped means the platform asked for it.", "reason"),
		cpu:           d("rouse_instance_cpu_seconds_total", "Processor time of instances, counted when they end."),

		inFlight:  d("rouse_calls_in_flight", "Calls instances work on now."),
		held:      d("rouse_calls_held", "Calls waiting for an instance or a slot now."),
		instances: d("rouse_instances", "Instances now, by state.", "state"),
		wanted:    d("rouse_instances_wanted", "Instances the autoscaler wants now."),

		startPhase: prometheus.NewDesc("rouse_instance_start_seconds",
			"Time starts of instances took, all functions together: start is the sandbox, init until the program answered.",
			[]string{"phase"}, nil),
		functions: prometheus.NewDesc("rouse_metrics_functions", "Functions with metrics of their own.", nil, nil),
		info:      prometheus.NewDesc("rouse_build_info", "1, labelled with the server's version.", []string{"version"}, nil),
	}
	for _, n := range numbers {
		ds.numbers = append(ds.numbers, prometheus.NewDesc(n.Name, n.Help, nil, nil))
	}
	return ds
}

// Describe implements prometheus.Collector. It names every metric, so that a
// clash with another collector shows when the server starts.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	d := &c.d
	for _, desc := range append([]*prometheus.Desc{
		d.calls, d.duration, d.phase, d.kind, d.coldWait, d.in, d.out,
		d.starts, d.startFailures, d.startPhase, d.exits, d.cpu,
		d.inFlight, d.held, d.instances, d.wanted, d.functions, d.info,
	}, d.numbers...) {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	e := emitter{ch: ch, les: leSeconds()}
	e.gauge(c.d.info, 1, c.o.cfg.Version)
	e.gauge(c.d.functions, float64(c.o.table.size.Load()))
	for i, n := range c.numbers {
		kind := prometheus.GaugeValue
		if n.Counter {
			kind = prometheus.CounterValue
		}
		e.send(c.d.numbers[i], kind, n.Read())
	}
	var start, init reading
	start.add(&c.o.start)
	init.add(&c.o.init)
	e.histogram(c.d.startPhase, &start, string(fn.PhaseStart))
	e.histogram(c.d.startPhase, &init, string(fn.PhaseInit))
	// In the order of the output: sorting what is sorted costs next to nothing.
	for _, s := range slices.SortedFunc(c.o.table.all, byName) {
		c.calls(&e, s)
		c.boots(&e, s)
	}
	c.loads(&e)
}

func byName(a, b *series) int { return compareRefs(a.ref, b.ref) }

func compareRefs(a, b fn.Ref) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
}

// calls exports what finished calls add up to.
func (c *collector) calls(e *emitter, s *series) {
	sum, ns, name := s.sums(), s.ref.Namespace, s.ref.Name
	for i, n := range sum.class {
		e.counter(c.d.calls, n, ns, name, className(i), "")
	}
	for _, row := range s.failed.all() {
		e.counter(c.d.calls, row.n.Load(), ns, name, className(row.key.class), row.key.cause)
	}
	for i, n := range sum.kind {
		e.counter(c.d.kind, n, ns, name, fn.StartKind(i).String())
	}
	for i, n := range sum.phase {
		e.time(c.d.phase, n, ns, name, phaseName(i))
	}
	e.histogram(c.d.duration, &sum.duration, ns, name)
	e.counter(c.d.in, sum.in, ns, name)
	e.counter(c.d.out, sum.out, ns, name)
	if h := s.waited.Load(); h != nil {
		var r reading
		r.add(h)
		e.histogram(c.d.coldWait, &r, ns, name)
	}
}

// boots exports what happened to instances.
func (c *collector) boots(e *emitter, s *series) {
	b := s.boots.Load()
	if b == nil {
		return
	}
	ns, name := s.ref.Namespace, s.ref.Name
	e.counter(c.d.starts, b.started.Load(), ns, name)
	for _, row := range b.failed.all() {
		e.counter(c.d.startFailures, row.n.Load(), ns, name, row.key.cause)
	}
	for i := range b.exits {
		e.counter(c.d.exits, b.exits[i].Load(), ns, name, exitName(i))
	}
	e.time(c.d.cpu, b.cpu.Load(), ns, name)
}

// loadsOf adds up what the source says by function. Functions for which the
// table has no room are added up like everywhere else.
func loadsOf(o *Observer, src Source) map[*series]*Load {
	sums := make(map[*series]*Load)
	if src == nil {
		return sums
	}
	for l := range src.Loads() {
		s := o.table.get(&l.Ref)
		if sums[s] == nil {
			sums[s] = new(Load)
		}
		sums[s].add(l)
	}
	return sums
}

// loads exports what the source says.
func (c *collector) loads(e *emitter) {
	for s, l := range loadsOf(c.o, c.src) {
		ns, name := s.ref.Namespace, s.ref.Name
		e.gauge(c.d.inFlight, float64(l.InFlight), ns, name)
		e.gauge(c.d.held, float64(l.Held), ns, name)
		e.gauge(c.d.wanted, float64(l.Wanted), ns, name)
		e.gauge(c.d.instances, float64(l.Instances.Starting), ns, name, "starting")
		e.gauge(c.d.instances, float64(l.Instances.Ready), ns, name, "ready")
		e.gauge(c.d.instances, float64(l.Instances.Busy), ns, name, "busy")
		e.gauge(c.d.instances, float64(l.Instances.Frozen), ns, name, "frozen")
		e.gauge(c.d.instances, float64(l.Instances.Draining), ns, name, "draining")
	}
}

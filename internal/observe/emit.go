package observe

import "github.com/prometheus/client_golang/prometheus"

// emitter sends metrics of one scrape.
type emitter struct {
	ch  chan<- prometheus.Metric
	les [buckets - 1]float64 // the histogram's bounds in seconds
}

func leSeconds() (les [buckets - 1]float64) {
	for i, d := range bounds() {
		les[i] = d.Seconds()
	}
	return les
}

// counter sends a count, unless it is zero.
func (e *emitter) counter(d *prometheus.Desc, n uint64, labels ...string) {
	if n > 0 {
		e.send(d, prometheus.CounterValue, float64(n), labels...)
	}
}

// time sends a sum of nanoseconds as seconds, unless it is zero.
func (e *emitter) time(d *prometheus.Desc, ns uint64, labels ...string) {
	if ns > 0 {
		e.send(d, prometheus.CounterValue, seconds(ns), labels...)
	}
}

func (e *emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.send(d, prometheus.GaugeValue, v, labels...)
}

// histogram sends r, unless it is empty.
func (e *emitter) histogram(d *prometheus.Desc, r *reading, labels ...string) {
	if r.total() == 0 {
		return
	}
	e.buckets(d, r, 0, len(e.les), labels)
}

// customary sends r with the buckets that Prometheus's libraries have unless
// told otherwise: 5 ms to 10 s. All of them are among ours.
func (e *emitter) customary(d *prometheus.Desc, r *reading, labels ...string) {
	const first, end = 3, 14
	e.buckets(d, r, first, end, labels)
}

// buckets sends r with our bounds from first to before end.
func (e *emitter) buckets(d *prometheus.Desc, r *reading, first, end int, labels []string) {
	cumulative := make(map[float64]uint64, end-first)
	var n uint64
	for i, le := range e.les[:end] {
		if n += r.count[i]; i >= first {
			cumulative[le] = n
		}
	}
	m, err := prometheus.NewConstHistogram(d, r.total(), seconds(r.sum), cumulative, labels...)
	e.ch <- orInvalid(d, m, err)
}

func (e *emitter) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	e.ch <- orInvalid(d, m, err)
}

// orInvalid turns a metric that could not be made (a label that is not UTF-8)
// into one that is reported with the scrape.
func orInvalid(d *prometheus.Desc, m prometheus.Metric, err error) prometheus.Metric {
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return m
}

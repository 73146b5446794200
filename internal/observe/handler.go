package observe

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapesAtOnce bounds what scrapes can cost together; one more gets a 503.
const scrapesAtOnce = 2

// Sources are those that know what the counters do not. Any may be nil.
type Sources struct {
	Loads   Source
	Queues  Queues
	Numbers []Number
}

// Handler serves all metrics, and those of the process and the Go runtime, in
// the formats Prometheus reads. Numbers with the name of another metric are
// an error.
func (o *Observer) Handler(src Sources, log *slog.Logger) (http.Handler, error) {
	reg := prometheus.NewRegistry()
	all := []prometheus.Collector{
		&collector{o: o, src: src.Loads, numbers: src.Numbers, d: newDescs(src.Numbers)},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if o.cfg.Names != nil {
		all = append(all, &foreign{o: o, loads: src.Loads, queues: src.Queues, d: newForeignDescs()})
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{log},
		ErrorHandling:       promhttp.ContinueOnError, // one bad label must not hide the rest
		MaxRequestsInFlight: scrapesAtOnce,
	}), nil
}

// scrapeLog lets promhttp speak to our logger.
type scrapeLog struct{ log *slog.Logger }

func (l scrapeLog) Println(v ...any) {
	l.log.Warn("metrics could not be read in full", "error", fmt.Sprint(v...))
}

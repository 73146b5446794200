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

// Handler serves all metrics, and those of the process and the Go runtime, in
// the formats Prometheus reads. src may be nil. Numbers with the name of
// another metric are an error.
func (o *Observer) Handler(src Source, log *slog.Logger, numbers ...Number) (http.Handler, error) {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		&collector{o: o, src: src, numbers: numbers, d: newDescs(numbers)},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
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

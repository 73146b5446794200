package openfaas

import (
	"fmt"
	"net"

	"rouse.dev/rouse/internal/fn"
)

// doors are the sockets of one watchdog.
type doors struct{ main, metrics net.Listener }

// listen opens what the place we run in calls for: the platform's socket, or
// two of our own.
func (w *watchdog) listen(inherited net.Listener) (*doors, error) {
	if inherited != nil {
		return &doors{main: inherited}, nil
	}
	main, err := net.Listen("tcp", fmt.Sprintf(":%d", w.port))
	if err != nil {
		return nil, fn.Errorf(fn.Unavailable, "watchdog: %w", err)
	}
	side, err := net.Listen("tcp", fmt.Sprintf(":%d", w.metricsPort))
	if err != nil {
		main.Close()
		return nil, fn.Errorf(fn.Unavailable, "watchdog: metrics: %w", err)
	}
	w.metrics = newMetrics()
	w.log.printf("", "Listening on port: %d", w.port)
	return &doors{main, side}, nil
}

func (d *doors) close() {
	d.main.Close()
	if d.metrics != nil {
		d.metrics.Close()
	}
}

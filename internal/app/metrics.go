package app

import (
	"context"
	"path/filepath"
	"time"

	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/observe"
)

// openMetrics makes the counters. Those of an earlier server are read; what
// cannot be read is no reason not to serve.
func (w *parts) openMetrics(version string) {
	cfg := observe.Config{Records: w.cfg.Calls.Records, Version: version}
	if w.cfg.Metrics.OpenFaaS {
		cfg.Names = openfaasName
	}
	w.observe = observe.New(cfg)
	if err := w.observe.LoadCalls(w.callsFile()); err != nil {
		w.log.Warn("functions' numbers of calls begin at zero", "error", err)
	}
}

// callsFile is where the numbers of calls are kept.
func (w *parts) callsFile() string { return filepath.Join(w.dir.Path(), "calls") }

// openfaasName is what OpenFaaS's clients call a function.
func openfaasName(ref fn.Ref) string {
	if ref.Namespace == fn.DefaultNamespace {
		return ref.Name + "." + deployment.DefaultNamespace
	}
	return ref.Name + "." + ref.Namespace
}

// exists reports whether there is such a function, once they are loaded.
func (w *parts) exists(ref fn.Ref) bool {
	return w.routes.Lookup([]byte(ref.Namespace), []byte(ref.Name)) != nil
}

// keepCalls saves the numbers of calls now and then, and when ctx ends.
func (w *parts) keepCalls(ctx context.Context) error {
	const every = 10 * time.Second
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.observe.SaveCalls(w.callsFile())
		case <-t.C:
			if err := w.observe.SaveCalls(w.callsFile()); err != nil {
				w.log.Warn("numbers of calls are not saved", "error", err)
			}
		}
	}
}

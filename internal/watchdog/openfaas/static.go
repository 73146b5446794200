package openfaas

import (
	"net/http"
	"os"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// openStatic makes mode static: the files of a folder. Links lead nowhere
// outside it.
func (w *watchdog) openStatic() error {
	root, err := os.OpenRoot(w.staticPath)
	if err != nil {
		return fn.Errorf(fn.Invalid, "watchdog: static_path: %w", err)
	}
	w.log.printf("", "Serving files at: %s", w.staticPath)
	files := http.FileServerFS(root.FS()) // the folder stays open as long as the process
	w.function = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := rw.(*recorder)
		defer func() { w.logRequest(r, strconv.Itoa(max(rec.status, http.StatusOK)), rec.size, sinceBegan(rec)) }()
		files.ServeHTTP(rec, r)
	})
	return nil
}

func sinceBegan(rec *recorder) time.Duration { return time.Since(rec.began) }

package openfaas

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// of is the name of-watchdog gives itself in internalHeader.
const of = "of-watchdog"

// maxBuffered is the largest body or output that is held in memory.
const maxBuffered = 256 << 20

// runFor runs the program for a request, what it prints on standard error going
// to the log.
func (w *watchdog) runFor(rw *recorder, r *http.Request, stdout func([]byte) error) error {
	ctx, cancel := w.bound(r)
	defer cancel()
	body := rw.input(r)
	said := w.lines("stderr", r.Header.Get("X-Call-Id"))
	defer said.Flush()
	return w.kids.Run(ctx, fork.Job{
		Program: w.program, Argv: w.argv, Env: w.requestEnv(r),
		Stdin: body, Interrupt: body.Interrupt, Stdout: stdout, Stderr: said,
	})
}

// stream is mode streaming: what the program prints is sent as it comes, with
// the status 200 whatever becomes of the program. Only one that was killed is
// told from one that ended: by a status if it had printed nothing, else by
// cutting the response off.
func (w *watchdog) stream(rw http.ResponseWriter, r *http.Request) {
	rec := rw.(*recorder)
	defer w.logFork(rec, r)
	rec.Header().Set("Content-Type", w.contentType)
	rc := http.NewResponseController(rec)
	err := w.runFor(rec, r, func(piece []byte) error {
		if rec.status == 0 {
			rec.timed()
		}
		if _, err := rec.Write(piece); err != nil {
			return err
		}
		return rc.Flush()
	})
	if err != nil {
		rec.failed = true
		w.log.printf(r.Header.Get("X-Call-Id"), "%s", exitText(err))
	}
	switch {
	case rec.status == 0 && (err == nil || ended(err)):
		rec.timed()
		rec.WriteHeader(http.StatusOK)
	case rec.status == 0:
		w.failFork(rec, err)
	case err != nil && !ended(err):
		panic(http.ErrAbortHandler)
	}
}

// serialize is mode serializing: the answer waits for the program's end.
func (w *watchdog) serialize(rw http.ResponseWriter, r *http.Request) {
	rec := rw.(*recorder)
	defer w.logFork(rec, r)
	var out buffer
	err := w.runFor(rec, r, out.add)
	if err != nil {
		w.log.printf(r.Header.Get("X-Call-Id"), "%s", exitText(err))
		w.failFork(rec, err)
		return
	}
	h := rec.Header()
	h.Set("Content-Type", w.contentType)
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	rec.timed()
	_, _ = rec.Write(out.Bytes()) // fails only when the caller left
}

// logFork prints the line of a request whose program may have failed after the
// status was sent.
func (w *watchdog) logFork(rec *recorder, r *http.Request) {
	status := max(rec.status, http.StatusOK)
	if rec.failed && status == http.StatusOK {
		status = http.StatusInternalServerError
	}
	w.logRequest(r, strconv.Itoa(status), rec.size, sinceBegan(rec))
}

// failFork answers for a program that did not.
func (w *watchdog) failFork(rec *recorder, err error) {
	rec.refuse(of, statusOf(err), exitText(err))
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, errExecTimeout):
		return http.StatusGatewayTimeout
	case errors.Is(err, unix.E2BIG): // a program's variables have a limit of their own
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return http.StatusInternalServerError
}

// ended reports whether the program ended by itself, however badly.
func ended(err error) bool {
	e, ok := errors.AsType[*fork.Exit](err)
	return ok && e.Cause == nil && e.Status.Exited()
}

// exitText says how a program failed in the words Go programs use.
func exitText(err error) string {
	e, ok := errors.AsType[*fork.Exit](err)
	switch {
	case !ok:
		return err.Error()
	case e.Cause != nil:
		return e.Cause.Error()
	case e.Status.Exited():
		return "exit status " + strconv.Itoa(e.Status.ExitStatus())
	}
	return "signal: " + e.Status.Signal().String()
}

// buffer holds output up to a limit.
type buffer struct{ bytes.Buffer }

var errTooLarge = errors.New("more output than can be held until the end")

func (b *buffer) add(piece []byte) error {
	if b.Len()+len(piece) > maxBuffered {
		return errTooLarge
	}
	b.Write(piece)
	return nil
}

// readAll reads a body that has to be whole before anything is done with it.
func readAll(rw http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBuffered))
}

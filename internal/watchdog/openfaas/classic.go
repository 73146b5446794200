package openfaas

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// classicName is the name the classic watchdog gives itself in internalHeader.
const classicName = "classic-watchdog"

// classic is the classic watchdog: a program for each request, whose output is
// the answer once it has ended.
func (w *watchdog) classic(rw http.ResponseWriter, r *http.Request) {
	rec := rw.(*recorder)
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		rec.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.showHeaders("in", r.Header)
	id := r.Header.Get("X-Call-Id")
	w.log.printf(id, "Forking fprocess.")
	job := fork.Job{Program: w.program, Argv: w.argv, Env: w.requestEnv(r)}
	if err := w.giveInput(rec, r, &job); err != nil {
		rec.refuse(classicName, bodyStatus(err), err.Error())
		return
	}
	var out buffer
	job.Stdout = out.add
	if !w.both {
		said := w.lines("stderr", id)
		defer said.Flush()
		job.Stderr = said
	}
	ctx, cancel := w.bound(r)
	defer cancel()
	err := w.kids.Run(ctx, job)
	if err != nil {
		w.failClassic(rec, id, err, out.Bytes())
		return
	}
	w.answerClassic(rec, r, out.Bytes())
}

// giveInput decides what the program reads: the body, or with marshal_request
// the whole request as JSON.
func (w *watchdog) giveInput(rec *recorder, r *http.Request, job *fork.Job) error {
	if !w.marshal {
		body := rec.input(r)
		job.Stdin, job.Interrupt = body, body.Interrupt
		return nil
	}
	raw, err := readAll(rec, r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(marshalled{Header: r.Header, Body: marshalledBody{Raw: raw}})
	job.Stdin = bytes.NewReader(text)
	return err
}

// marshalled is a request as a program gets it with marshal_request.
type marshalled struct {
	Header http.Header    `json:"header"`
	Body   marshalledBody `json:"body"`
}

type marshalledBody struct {
	Raw []byte `json:"raw"` // base64
}

func (w *watchdog) answerClassic(rec *recorder, r *http.Request, out []byte) {
	id := r.Header.Get("X-Call-Id")
	w.debug(id, out)
	h := rec.Header()
	switch {
	case w.contentType != "":
		h.Set("Content-Type", w.contentType)
	case r.Header.Get("Content-Type") != "":
		h.Set("Content-Type", r.Header.Get("Content-Type"))
	}
	h.Set("Content-Length", strconv.Itoa(len(out)))
	rec.timed()
	_, _ = rec.Write(out) // fails only when the caller left
	w.showHeaders("out", h)
	w.log.printf(id, "Wrote %d Bytes - Duration: %fs", len(out), sinceBegan(rec).Seconds())
}

// failClassic answers for a program that failed: with the reason, then what it
// had printed.
func (w *watchdog) failClassic(rec *recorder, id string, err error, out []byte) {
	if w.writeDebug {
		w.log.printf(id, "Success=false, Error=%s", exitText(err))
	}
	w.debug(id, out)
	h := rec.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if errors.Is(err, errExecTimeout) {
		w.log.printf(id, "Killing process: %s", w.argv[0])
		rec.WriteHeader(http.StatusRequestTimeout)
		_, _ = io.WriteString(rec, "Killed process.\n")
		return
	}
	if !ended(err) {
		h.Set(internalHeader, classicName)
	}
	rec.WriteHeader(statusOf(err))
	_, _ = io.WriteString(rec, exitText(err)+"\n") // fails only when the caller left, as the next
	_, _ = rec.Write(out)
}

// debug prints what a program printed, with write_debug.
func (w *watchdog) debug(id string, out []byte) {
	if !w.writeDebug || len(out) == 0 {
		return
	}
	lines := fork.Lines{Max: w.maxLine, Wrap: true, Emit: func(line string) { w.log.out.Line(w.log.tag(id), line) }}
	_, _ = lines.Write(out) // never fails
	lines.Flush()
}

// showHeaders prints a message's headers, with debug_headers. What proves who
// somebody is stays hidden.
func (w *watchdog) showHeaders(direction string, h http.Header) {
	if !w.debugHeads {
		return
	}
	for name, values := range h {
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie":
			values = []string{"(hidden)"}
		}
		w.log.out.Line("", "["+direction+"] "+name+"=["+strings.Join(values, " ")+"]")
	}
}

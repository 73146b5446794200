package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// writeTime is how long a caller may take to read a line.
const writeTime = time.Minute

// build answers POST /build.
func (a *API) build(w http.ResponseWriter, r *http.Request) {
	f, err := a.receive(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	defer f.Close()
	select {
	case a.building <- struct{}{}:
		defer func() { <-a.building }()
	default:
		a.fail(w, r, fn.Errorf(fn.Exhausted, "%d builds are at work already", cap(a.building)))
		return
	}
	c, err := readConfig(f)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	p := &progress{w: w, image: c.Image, gone: cancel}
	if strings.Contains(r.Header.Get("Accept"), streamedType) {
		w.Header().Set("Content-Type", streamedType)
		p.stream = json.NewEncoder(w)
	}
	p.end(a.run(ctx, f, c, p))
}

// run builds; what it says on the way goes to p.
func (a *API) run(ctx context.Context, f *os.File, c buildConfig, p *progress) error {
	p.began = time.Now()
	if names := given(c.BuildArgs); len(names) > 0 {
		p.line(fmt.Sprintf("build arguments are values of the Dockerfile's ARG lines: %s; no RUN line that uses them is run", strings.Join(names, ", ")))
	}
	digest, err := a.accept(ctx, f, c.BuildArgs)
	if err != nil {
		return err
	}
	_, err = a.Control.BuildImage(ctx, control.ImageRequest{
		Reference: c.Image, Source: digest, Spec: fn.Spec{Runtime: "openfaas"}, BuildOnly: c.SkipPush,
	}, p.event)
	return err
}

// given names the arguments that have a value: clients send some that do not.
func given(args map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if args[name] != "" {
			out = append(out, name)
		}
	}
	return out
}

// accept hands the folder context over as a source, build arguments put in.
func (a *API) accept(ctx context.Context, f *os.File, args map[string]string) (string, error) {
	r, w := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		w.CloseWithError(repack(f, w, args))
	}()
	digest, err := a.Control.AcceptSource(ctx, r)
	r.CloseWithError(errors.New("nobody reads any more"))
	<-packed
	return digest, err
}

// progress is what a build says. One goroutine at a time calls it.
type progress struct {
	w      http.ResponseWriter
	stream *json.Encoder // nil: one answer at the end
	gone   context.CancelCauseFunc
	image  string
	began  time.Time
	log    []string // for the one answer
}

func (p *progress) event(e control.Event) {
	switch {
	case e.Line != "":
		p.line(e.Line)
	case e.Cached:
		p.line(e.Step + ": unchanged")
	case e.Done:
		p.line(fmt.Sprintf("%s: done in %s", e.Step, e.Took.Round(time.Millisecond)))
	default:
		p.line(e.Step + ":")
	}
}

func (p *progress) line(text string) {
	if p.stream != nil {
		p.send(result{Log: []string{text}, Image: p.image, Status: inProgress})
		return
	}
	if len(p.log) < maxBuildLog {
		p.log = append(p.log, text)
	}
}

// send writes one line of the stream. A caller who does not read it ends the
// build.
func (p *progress) send(r result) {
	rc := http.NewResponseController(p.w)
	_ = rc.SetWriteDeadline(time.Now().Add(writeTime)) // not every connection has one
	err := p.stream.Encode(r)
	if err == nil {
		err = rc.Flush()
	}
	if err != nil {
		p.gone(fn.Errorf(fn.Canceled, "the caller stopped reading: %w", err))
	}
}

// end says how it went. A build that failed is an answer like any other:
// clients read its log.
func (p *progress) end(err error) {
	r := result{Log: p.log, Image: p.image, Status: succeeded, Duration: time.Since(p.began).Seconds()}
	if err != nil {
		r.Status, r.Error = failed, sentence(err)
	}
	if r.Log == nil {
		r.Log = []string{}
	}
	if p.stream != nil {
		p.send(r)
		return
	}
	write(p.w, http.StatusOK, r)
}

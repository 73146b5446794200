package enginetest

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// output collects what a program writes.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer  // guarded by mu
	grown chan struct{} // closed at the next Write; guarded by mu
}

func newOutput() *output { return &output{grown: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.grown)
	o.grown = make(chan struct{})
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// await waits until the program has written text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	end := time.After(limit)
	for {
		o.mu.Lock()
		found, grown := bytes.Contains(o.buf.Bytes(), []byte(text)), o.grown
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grown:
		case <-end:
			t.Fatalf("it never said %q, only %q", text, o)
		}
	}
}

package process

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stream carries what a program prints to a writer.
type stream struct {
	file *os.File // our end
	done chan struct{}
}

// pipe makes the two ends: ours does not block, the child's does.
func pipe() (ours, theirs int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		_ = unix.Close(p[0])
		_ = unix.Close(p[1])
		return -1, -1, err
	}
	return p[0], p[1], nil
}

// bufferSize is what is read at once. Buffers are taken only while there is
// something to read, so silent instances hold none.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// newStream takes over the descriptor.
func newStream(fd int, name string) *stream {
	return &stream{file: os.NewFile(uintptr(fd), name), done: make(chan struct{})}
}

// run copies until the other end is closed or the deadline passes. A writer
// that fails is not asked again; the program must not stop because of it.
func (s *stream) run(w io.Writer) {
	defer close(s.done)
	defer s.file.Close()
	conn, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	if w == nil {
		w = io.Discard
	}
	for open := true; open; {
		err := conn.Read(func(fd uintptr) bool {
			var ready bool
			w, open, ready = copyOnce(int(fd), w)
			return ready
		})
		if err != nil {
			return // the deadline
		}
	}
}

// copyOnce moves one buffer. ready is false if there was nothing to read.
func copyOnce(fd int, w io.Writer) (next io.Writer, open, ready bool) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := unix.Read(fd, *buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return w, true, false
		case err != nil || n == 0:
			return w, false, true
		}
		if _, err := w.Write((*buf)[:n]); err != nil {
			w = io.Discard
		}
		return w, true, true
	}
}

// drainTime is how long output is still read after the last process ended.
// Somebody outside who was passed the descriptor could keep it open.
const drainTime = 2 * time.Second

// finish waits until what was printed has been passed on. A writer that
// blocks is waited for: it is the platform's own.
func (s *stream) finish() {
	_ = s.file.SetReadDeadline(time.Now().Add(drainTime))
	<-s.done
}

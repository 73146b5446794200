package logs

import "bytes"

// tailLines is how many of an instance's last lines are kept in memory, and
// tailBytes how much of each.
const (
	tailLines = 20 // fn.MaxFailureOutput
	tailBytes = 1 << 10
)

// tail is the last lines of an instance, whatever became of them on disk.
type tail struct {
	lines [tailLines][]byte // reused
	n     int               // lines ever pushed
}

func (t *tail) push(line []byte) {
	slot := &t.lines[t.n%tailLines]
	*slot = append((*slot)[:0], line[:min(len(line), tailBytes)]...)
	t.n++
}

// pushLast pushes the last lines of p, each of which ends with a newline.
func (t *tail) pushLast(p []byte) {
	start, end := 0, len(p)-1
	for range tailLines {
		i := bytes.LastIndexByte(p[:end], '\n')
		if start = i + 1; i < 0 {
			break
		}
		end = i
	}
	for line := range bytes.Lines(p[start:]) {
		t.push(line[:len(line)-1])
	}
}

// last returns the lines, oldest first, safe to print.
func (t *tail) last() []string {
	var out []string
	for i := max(0, t.n-tailLines); i < t.n; i++ {
		out = append(out, Printable(string(t.lines[i%tailLines])))
	}
	return out
}

package observe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rouse.dev/rouse/internal/fn"
)

// ledger is how often functions were called before this server started.
type ledger struct {
	mu      sync.Mutex
	before  map[fn.Ref]uint64 // guarded by mu
	written map[fn.Ref]uint64 // guarded by mu: what the file holds
}

// The file of the ledger: a line that says what it is, then one for each
// function that was ever called, "COUNT NAMESPACE/NAME", in order.
const (
	ledgerHead  = "rouse calls 1"
	maxLedger   = 64 << 20 // bytes read
	ledgerFresh = ".new"   // suffix while it is written
)

// Calls returns how many calls of a function have ended since it was made,
// failed ones included, also those before this server started. A server that
// is killed loses what was not saved. Functions beyond Config.Functions are not
// counted one by one.
func (o *Observer) Calls(ref fn.Ref) uint64 {
	o.ledger.mu.Lock()
	n := o.ledger.before[ref]
	o.ledger.mu.Unlock()
	if s := o.table.find(&ref); s != nil {
		n += s.calls()
	}
	return n
}

// LoadCalls reads what SaveCalls wrote at path, before the first call is
// recorded. A file that is not there is an empty one; one that cannot be read is
// an error, and nothing was taken from it.
func (o *Observer) LoadCalls(path string) error {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("reading the counts of calls: %w", err)
	}
	defer f.Close()
	counts, err := readLedger(io.LimitReader(f, maxLedger))
	if err != nil {
		return fmt.Errorf("reading the counts of calls: %w", err)
	}
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	o.ledger.before, o.ledger.written = counts, maps.Clone(counts)
	return nil
}

func readLedger(r io.Reader) (map[fn.Ref]uint64, error) {
	lines := bufio.NewScanner(r)
	if !lines.Scan() || lines.Text() != ledgerHead {
		return nil, errors.Join(fn.Errorf(fn.Invalid, "the file does not begin with %q", ledgerHead), lines.Err())
	}
	counts := map[fn.Ref]uint64{}
	for n := 2; lines.Scan(); n++ {
		count, name, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseUint(count, 10, 64)
		namespace, name, _ := strings.Cut(name, "/")
		ref := fn.Ref{Namespace: namespace, Name: name}
		if err = errors.Join(err, fn.ValidateRef(ref)); err != nil {
			return nil, fn.Errorf(fn.Invalid, "line %d: %w", n, err)
		}
		counts[ref] = v
	}
	return counts, lines.Err()
}

// SaveCalls writes the counts to the file at path, unless it holds them
// already. The file is replaced as a whole: a crash leaves the old one or the
// new one. One goroutine at a time may call it.
func (o *Observer) SaveCalls(path string) error {
	counts := o.counts()
	o.ledger.mu.Lock()
	same := maps.Equal(counts, o.ledger.written)
	o.ledger.mu.Unlock()
	if same {
		return nil
	}
	if err := replaceFile(path, ledgerText(counts)); err != nil {
		return fmt.Errorf("saving the counts of calls: %w", err)
	}
	o.ledger.mu.Lock()
	o.ledger.written = counts
	o.ledger.mu.Unlock()
	return nil
}

// counts returns the calls of every function that was ever called.
func (o *Observer) counts() map[fn.Ref]uint64 {
	counts := map[fn.Ref]uint64{}
	o.ledger.mu.Lock()
	maps.Copy(counts, o.ledger.before)
	o.ledger.mu.Unlock()
	for s := range o.table.all {
		if n := s.calls(); n > 0 && s != o.table.rest && s != o.table.unknown {
			counts[s.ref] += n
		}
	}
	return counts
}

func ledgerText(counts map[fn.Ref]uint64) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, ledgerHead)
	for _, ref := range slices.SortedFunc(maps.Keys(counts), compareRefs) {
		fmt.Fprintf(&b, "%d %s\n", counts[ref], ref)
	}
	return b.Bytes()
}

// replaceFile puts a file in place of another, durably.
func replaceFile(path string, data []byte) error {
	f, err := os.OpenFile(path+ledgerFresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// retain forgets the counts of every function that keep does not want.
func (l *ledger) retain(keep func(fn.Ref) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref := range l.before {
		if !keep(ref) {
			delete(l.before, ref)
		}
	}
}

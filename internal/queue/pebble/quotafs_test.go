package pebble_test

import (
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// quotaFS is a file system of a limited size. Files count by what was written to
// them.
type quotaFS struct {
	vfs.FS
	mu    sync.Mutex
	limit int64            // guarded by mu
	used  map[string]int64 // guarded by mu: path → bytes
	blind bool             // guarded by mu: it says that there is much space
}

func newQuotaFS(inner vfs.FS, limit int64) *quotaFS {
	return &quotaFS{FS: inner, limit: limit, used: make(map[string]int64)}
}

func (q *quotaFS) setLimit(limit int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = limit
}

// leave sets the limit so that n more bytes fit.
func (q *quotaFS) leave(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = q.totalLocked() + n
}

// fill lowers the limit to what is used, without GetDiskUsage telling.
func (q *quotaFS) fill() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit, q.blind = q.totalLocked(), true
}

func (q *quotaFS) see() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blind = false
}

func (q *quotaFS) totalLocked() (sum int64) {
	for _, n := range q.used {
		sum += n
	}
	return sum
}

func (q *quotaFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := uint64(max(0, q.limit-q.totalLocked()))
	if q.blind {
		free = 1 << 40
	}
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 40}, nil
}

// take counts n more bytes for path, or as many as there is space for.
func (q *quotaFS) take(path string, n int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if free := q.limit - q.totalLocked(); int64(n) > free {
		n = int(max(0, free))
		q.used[path] += int64(n)
		return n, syscall.ENOSPC
	}
	q.used[path] += int64(n)
	return n, nil
}

func (q *quotaFS) drop(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.used, path)
}

func (q *quotaFS) rename(from, to string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used[to] = q.used[from]
	delete(q.used, from)
}

func (q *quotaFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if _, err := q.take(name, 1); err != nil {
		return nil, err
	}
	f, err := q.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &quotaFile{f, q, name}, nil
}

func (q *quotaFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := q.FS.ReuseForWrite(from, to, c)
	if err != nil {
		return nil, err
	}
	q.drop(from) // its bytes count again as they are written
	return &quotaFile{f, q, to}, nil
}

func (q *quotaFS) Remove(name string) error {
	err := q.FS.Remove(name)
	if err == nil {
		q.drop(name)
	}
	return err
}

func (q *quotaFS) Rename(from, to string) error {
	err := q.FS.Rename(from, to)
	if err == nil {
		q.rename(from, to)
	}
	return err
}

type quotaFile struct {
	vfs.File
	fs   *quotaFS
	path string
}

func (f *quotaFile) Write(p []byte) (int, error) {
	n, full := f.fs.take(f.path, len(p))
	n, err := f.File.Write(p[:n])
	if err == nil {
		err = full
	}
	return n, err
}

package pebbledbtest

import (
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// QuotaFS is a file system of a limited size. Files count by what was written to
// them.
type QuotaFS struct {
	vfs.FS
	mu    sync.Mutex
	limit int64            // guarded by mu
	used  map[string]int64 // guarded by mu: path → bytes
	blind bool             // guarded by mu: it says that there is much space
}

// NewQuotaFS returns inner with room for limit bytes.
func NewQuotaFS(inner vfs.FS, limit int64) *QuotaFS {
	return &QuotaFS{FS: inner, limit: limit, used: make(map[string]int64)}
}

// SetLimit sets the bytes that fit.
func (q *QuotaFS) SetLimit(limit int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = limit
}

// Leave sets the limit so that n more bytes fit.
func (q *QuotaFS) Leave(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = q.totalLocked() + n
}

// Fill lowers the limit to what is used, without GetDiskUsage telling.
func (q *QuotaFS) Fill() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit, q.blind = q.totalLocked(), true
}

// See undoes the blindness of Fill.
func (q *QuotaFS) See() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blind = false
}

func (q *QuotaFS) totalLocked() (sum int64) {
	for _, n := range q.used {
		sum += n
	}
	return sum
}

// GetDiskUsage implements vfs.FS.
func (q *QuotaFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := uint64(max(0, q.limit-q.totalLocked()))
	if q.blind {
		free = 1 << 40
	}
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 40}, nil
}

// take counts n more bytes for path, or as many as there is space for.
func (q *QuotaFS) take(path string, n int) (int, error) {
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

func (q *QuotaFS) drop(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.used, path)
}

func (q *QuotaFS) rename(from, to string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used[to] = q.used[from]
	delete(q.used, from)
}

// Create implements vfs.FS.
func (q *QuotaFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if _, err := q.take(name, 1); err != nil {
		return nil, err
	}
	f, err := q.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &quotaFile{f, q, name}, nil
}

// ReuseForWrite implements vfs.FS.
func (q *QuotaFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := q.FS.ReuseForWrite(from, to, c)
	if err != nil {
		return nil, err
	}
	q.drop(from) // its bytes count again as they are written
	return &quotaFile{f, q, to}, nil
}

// Remove implements vfs.FS.
func (q *QuotaFS) Remove(name string) error {
	err := q.FS.Remove(name)
	if err == nil {
		q.drop(name)
	}
	return err
}

// Rename implements vfs.FS.
func (q *QuotaFS) Rename(from, to string) error {
	err := q.FS.Rename(from, to)
	if err == nil {
		q.rename(from, to)
	}
	return err
}

type quotaFile struct {
	vfs.File
	fs   *QuotaFS
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

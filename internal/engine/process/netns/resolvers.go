package netns

import (
	"net/netip"
	"os"
	"sync"
	"time"
)

// resolvers is the list of the host's name servers, read again when the file
// changes.
type resolvers struct {
	path string

	mu      sync.Mutex
	checked time.Time        // when the file was last looked at; guarded by mu
	seen    os.FileInfo      // of the content in list; nil if there was no file; guarded by mu
	list    []netip.AddrPort // guarded by mu
}

// recheck is how long a look at the file is good for.
const recheck = time.Second

func newResolvers(path string) *resolvers { return &resolvers{path: path} }

// current returns the host's resolvers, the preferred one first. While the
// file cannot be read, the last list stays.
func (r *resolvers) current() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.checked.IsZero() && now.Sub(r.checked) < recheck {
		return r.list
	}
	r.checked = now
	info, err := os.Stat(r.path)
	if err == nil && r.seen != nil && os.SameFile(info, r.seen) && info.ModTime().Equal(r.seen.ModTime()) && info.Size() == r.seen.Size() {
		return r.list
	}
	if list, err := readResolvers(r.path); err == nil {
		r.list, r.seen = list, info
	}
	return r.list
}

package logs

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// censusEvery is how often the disk is measured although there seems to be
// room: someone may have removed files by hand.
const censusEvery = time.Hour

// Sweep closes the files of functions that are silent, forgets rings and
// instances that nobody uses, says what was dropped, and removes the oldest
// segments if all together are over their budget. Call it every few seconds,
// from one goroutine.
func (s *Store) Sweep(now time.Time) error {
	s.sweepInstances(now)
	s.sweepRings(now)
	return s.sweepDisk(now)
}

// sweepInstances forgets instances that ended a while ago, and lets those that
// were cut off say so as soon as they may write again.
func (s *Store) sweepInstances(now time.Time) {
	s.mu.Lock()
	old := 0
	for old < len(s.ended) && now.Sub(s.ended[old].ended) >= endedFor {
		old++
	}
	if old > 0 {
		s.dropEndedLocked(old)
	}
	live := make([]*instance, 0, len(s.instances))
	for _, in := range s.instances {
		if in.open > 0 {
			live = append(live, in)
		}
	}
	s.mu.Unlock()
	for _, in := range live {
		in.remark()
	}
}

// remark writes what is missing into the ring, if the instance may write.
func (in *instance) remark() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.tooFast == 0 && in.refused == 0 || len(in.writers) == 0 {
		return
	}
	w := in.writers[0]
	if w.shut || w.ring == nil {
		return
	}
	out := w.beginLocked("")
	if !in.closed {
		w.remarkLocked(out)
	}
	w.endLocked(out)
}

// sweepRings closes silent files and forgets rings without users.
func (s *Store) sweepRings(now time.Time) {
	s.mu.Lock()
	all := make([]*ring, 0, len(s.rings))
	for _, r := range s.rings {
		all = append(all, r)
	}
	s.mu.Unlock()
	for _, r := range all {
		r.mu.Lock()
		idle := now.Sub(r.used) >= s.cfg.CloseAfter
		if idle {
			r.closeLocked()
		}
		r.mu.Unlock()
		if idle {
			s.forget(r)
		}
	}
}

// forget lets go of a ring that nobody uses. Its file was closed; who has used
// it since has opened it again.
func (s *Store) forget(r *ring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 && r.file == nil && s.rings[r.ref] == r {
		delete(s.rings, r.ref)
	}
}

// sweepDisk keeps the total within its budget.
func (s *Store) sweepDisk(now time.Time) error {
	s.mu.Lock()
	due := s.census.IsZero() || now.Sub(s.census) >= censusEvery || s.total.Load() > s.cfg.Total
	due = due && !s.shut
	s.mu.Unlock()
	if !due {
		return nil
	}
	all, err := s.measure()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.census = now
	s.mu.Unlock()
	return s.evict(all)
}

// found is a segment and where it was found.
type found struct {
	segment
	ref fn.Ref
}

// measure lists every segment and sets the total.
func (s *Store) measure() ([]found, error) {
	var all []found
	var total int64
	fsys := s.root.FS()
	spaces, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	for _, ns := range spaces {
		if !ns.IsDir() || !fn.ValidName(ns.Name()) {
			continue
		}
		names, err := fs.ReadDir(fsys, ns.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, name := range names {
			ref := fn.Ref{Namespace: ns.Name(), Name: name.Name()}
			if !name.IsDir() || fn.ValidateRef(ref) != nil {
				continue
			}
			segs, err := segments(s.root, dirOf(ref))
			if err != nil {
				return nil, err
			}
			for _, seg := range segs {
				total += seg.size
				all = append(all, found{seg, ref})
			}
		}
	}
	s.total.Store(total)
	return all, nil
}

// evict removes the oldest segments until the total is a tenth below its
// budget, so that this is not needed again at once. A segment that is being
// written to stays.
func (s *Store) evict(all []found) error {
	if s.total.Load() <= s.cfg.Total {
		return nil
	}
	goal := s.cfg.Total / 10 * 9
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.seq, b.seq)) })
	for _, seg := range all {
		if s.total.Load() <= goal {
			break
		}
		if err := s.dropUnlessCurrent(seg); err != nil {
			return err
		}
	}
	return nil
}

// dropUnlessCurrent removes a segment that is not the newest of a ring in use.
func (s *Store) dropUnlessCurrent(seg found) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rings[seg.ref]; r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if seg.seq >= r.seq {
			return nil
		}
	}
	return s.drop(dirOf(seg.ref), seg.segment)
}

package observe

import (
	"cmp"
	"slices"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Query selects recorded calls. The zero value is all of them, up to the
// default limit.
type Query struct {
	Ref    fn.Ref    // zero: any function; Name empty: all of the namespace
	ID     fn.CallID // zero: any
	Since  time.Time // began then or later; zero: any
	Failed bool      // only calls the platform failed, or answered with a 5xx or not at all
	Limit  int       // at most so many; 0 means 100
}

// Recent returns the newest recorded calls that match, newest first.
func (o *Observer) Recent(q Query) []fn.Invocation {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var found []fn.Invocation
	for _, r := range []*ring{o.notable, o.plain} {
		for i := range r.shards {
			s := &r.shards[i]
			if q.ID != (fn.CallID{}) && s != r.shard(&q.ID) {
				continue
			}
			found = append(found, s.newest(&q)...)
		}
	}
	slices.SortFunc(found, func(a, b fn.Invocation) int {
		return cmp.Or(b.Began.Compare(a.Began), slices.Compare(b.ID[:], a.ID[:]))
	})
	return found[:min(len(found), q.Limit)]
}

// newest returns the shard's newest q.Limit matches. Records come in the
// order of their calls' ends, and a match may have begun long before its
// neighbours, so all are looked at.
func (s *ringShard) newest(q *Query) []fn.Invocation {
	var found []fn.Invocation
	byAge := func(a, b fn.Invocation) int { return b.Began.Compare(a.Began) }
	s.each(func(inv *fn.Invocation) bool {
		if q.matches(inv) {
			found = append(found, *inv)
		}
		if len(found) >= 2*q.Limit { // keep the working set near the limit
			slices.SortFunc(found, byAge)
			found = found[:q.Limit]
		}
		return true
	})
	return found
}

func (q *Query) matches(inv *fn.Invocation) bool {
	switch ref := &inv.Revision.Ref; {
	case q.Ref.Namespace != "" && q.Ref.Namespace != ref.Namespace,
		q.Ref.Name != "" && q.Ref.Name != ref.Name,
		q.ID != (fn.CallID{}) && q.ID != inv.ID,
		!q.Since.IsZero() && inv.Began.Before(q.Since):
		return false
	}
	return !q.Failed || inv.Cause != "" || inv.Status == 0 || inv.Status >= 500
}

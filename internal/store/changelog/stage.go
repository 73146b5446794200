package changelog

import (
	"maps"

	"rouse.dev/rouse/internal/store"
)

// Of returns what a write is for watchers: c applied at version to before, the
// object as it was (nil if there was none). It returns nil if nothing changes,
// a delete of nothing. The result keeps no reference to c or before.
func Of(c store.Change, before *store.Object, version uint64) *Change {
	if c.Value == nil {
		if before == nil {
			return nil
		}
		gone := before.Clone()
		gone.Version = version
		return &Change{Event: store.Event{Object: gone, Deleted: true}}
	}
	now := store.Object{Key: c.Key, Version: version, Value: c.Value}
	if len(c.Labels) > 0 {
		now.Labels = c.Labels
	}
	out := &Change{Event: store.Event{Object: now.Clone()}}
	if before != nil && !maps.Equal(before.Labels, c.Labels) {
		was := before.Clone()
		out.Before = &was
	}
	return out
}

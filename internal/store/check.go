package store

import (
	"cmp"
	"errors"
	"maps"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// Limits of one object and one batch, in bytes.
const (
	MaxKey    = 1 << 10  // Kind, Namespace and Name together
	MaxObject = 4 << 20  // labels and value together
	MaxBatch  = 16 << 20 // all keys and objects of one Apply together
)

// Compare orders keys by Kind, then Namespace, then Name, each bytewise.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		strings.Compare(k.Kind, o.Kind),
		strings.Compare(k.Namespace, o.Namespace),
		strings.Compare(k.Name, o.Name),
	)
}

// String returns "kind namespace/name" or "kind name", quoted where a part has
// bytes that do not print.
func (k Key) String() string {
	name := k.Name
	if k.Namespace != "" {
		name = k.Namespace + "/" + name
	}
	s := k.Kind + " " + name
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// Check returns fn.Invalid or fn.TooLarge if k breaks a rule of Key.
func (k Key) Check() error {
	var errs []error
	if k.Kind == "" {
		errs = append(errs, fn.Errorf(fn.Invalid, "key %s has no kind", k))
	}
	for _, part := range [...]string{k.Kind, k.Namespace, k.Name} {
		if strings.ContainsFunc(part, func(r rune) bool { return r < 0x20 }) {
			errs = append(errs, fn.Errorf(fn.Invalid, "key %s has a control byte", k))
			break
		}
	}
	if n := len(k.Kind) + len(k.Namespace) + len(k.Name); n > MaxKey {
		errs = append(errs, fn.Errorf(fn.TooLarge, "key of kind %.40q has %d bytes, at most %d are allowed", k.Kind, n, MaxKey))
	}
	return errors.Join(errs...)
}

// Size returns the bytes that count towards MaxObject.
func (o Object) Size() int {
	n := len(o.Value)
	for k, v := range o.Labels {
		n += len(k) + len(v)
	}
	return n
}

// Clone returns a deep copy. The Value of the copy is never nil.
func (o Object) Clone() Object {
	o.Labels = maps.Clone(o.Labels)
	o.Value = append([]byte{}, o.Value...)
	return o
}

// Check returns an error if q can select nothing because its key parts are not
// those of a Key.
func (q Query) Check() error { return Key{Kind: q.Kind, Namespace: q.Namespace}.Check() }

// Matches reports whether q selects o.
func (q Query) Matches(o Object) bool {
	if o.Kind != q.Kind || (q.Namespace != "" && o.Namespace != q.Namespace) {
		return false
	}
	for k, want := range q.Labels {
		if got, ok := o.Labels[k]; !ok || got != want {
			return false
		}
	}
	return true
}

// Match checks the change against cur, the object now (nil if there is none),
// and returns fn.Conflict naming the key when IfVersion does not fit.
func (c Change) Match(cur *Object) error {
	switch {
	case c.IfVersion == AnyVersion:
		return nil
	case cur == nil && c.IfVersion == 0:
		return nil
	case cur == nil:
		return fn.Errorf(fn.Conflict, "%s does not exist, wanted version %d", c.Key, c.IfVersion)
	case c.IfVersion == 0:
		return fn.Errorf(fn.Conflict, "%s exists already, at version %d", c.Key, cur.Version)
	case cur.Version != c.IfVersion:
		return fn.Errorf(fn.Conflict, "%s is at version %d, wanted %d", c.Key, cur.Version, c.IfVersion)
	}
	return nil
}

// CheckChanges is what every adapter checks before it looks at its state:
// keys (fn.Invalid), a key named twice (fn.Invalid), sizes (fn.TooLarge). It
// reports all mistakes of the batch at once.
func CheckChanges(changes []Change) error {
	var errs []error
	total := 0
	var seen map[Key]struct{}
	if len(changes) > 1 {
		seen = make(map[Key]struct{}, len(changes))
	}
	for _, c := range changes {
		if err := c.Key.Check(); err != nil {
			errs = append(errs, err)
			continue
		}
		if _, twice := seen[c.Key]; twice {
			errs = append(errs, fn.Errorf(fn.Invalid, "%s is changed twice in one batch", c.Key))
		}
		if seen != nil {
			seen[c.Key] = struct{}{}
		}
		size := Object{Labels: c.Labels, Value: c.Value}.Size()
		if size > MaxObject {
			errs = append(errs, fn.Errorf(fn.TooLarge, "%s has %d bytes, at most %d are allowed", c.Key, size, MaxObject))
		}
		total += size + len(c.Kind) + len(c.Namespace) + len(c.Name)
	}
	if total > MaxBatch {
		errs = append(errs, fn.Errorf(fn.TooLarge, "the batch has %d bytes, at most %d are allowed", total, MaxBatch))
	}
	return errors.Join(errs...)
}

// CheckLoad is what every Loader checks of an object: its key, its size, and
// that its version is one the store at version can have given.
func CheckLoad(o Object, version uint64) error {
	err := CheckChanges([]Change{{Key: o.Key, Labels: o.Labels, Value: o.Value}})
	if err != nil || (o.Version > 0 && o.Version <= version) {
		return err
	}
	return fn.Errorf(fn.Invalid, "%s has version %d, which a store at version %d never gave", o.Key, o.Version, version)
}

// Package record is the byte form of stored objects: keys that sort as
// store.Key.Compare does, values with their version, whole snapshots.
//
// It knows no JSON (values are opaque) and no files. Bytes that this package did
// not write are refused with fn.Invalid, never trusted: every length is checked
// before it is used.
package record

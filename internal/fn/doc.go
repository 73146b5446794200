// Package fn is the domain: functions, revisions, settings, policy, names
// and the errors everything else speaks of.
//
// It is pure: no I/O, no clock, no goroutine. It imports the standard library
// only, and every other package may import it. One validator lives here
// (Validate*), used by every door: create, update, import, restore and sync.
package fn

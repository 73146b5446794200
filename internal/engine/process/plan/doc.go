// Package plan describes a sandbox as data: the ordered system calls a fresh
// child makes to lock itself in.
//
// Compile is pure: it reads nothing from the host and its result prints as
// text, so what a sandbox consists of can be read and compared in a test.
// Link lays the plan out in memory for package launch, which runs it.
package plan

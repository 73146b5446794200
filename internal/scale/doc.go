// Package scale decides how many instances a revision should have.
//
// It is pure: time is an argument, state is a value the caller keeps, and the
// decision is a value the caller carries out. It starts nothing, reads no
// clock, and is not for placing instances or choosing revisions.
//
// Two questions are answered. Burst says, at the moment calls are held, how
// many instances to start at once; nothing waits for a tick. Decide says, now
// and then, how many there should be over time.
package scale

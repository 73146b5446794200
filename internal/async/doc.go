// Package async calls functions for callers who do not wait.
//
// Submit returns once a call is durable; from then on it is carried out at
// least once, whatever happens to this process. Calls of one function wait in
// a stream of their own, so that no function delays another; a stream gets a
// goroutine only while something of it is due. How many calls a function is
// given at once follows from what it can take: its limits, what its instances
// have in hand, and how it answered before.
//
// A call that fails is tried again with growing pauses, then put aside with
// the reason: a dead letter, which can be looked at and sent on its way once
// more. Results go to the callback address of the call, if it has one; they
// are messages of their own, as durable as the call itself.
//
// The package neither listens nor knows instances: calls go through an
// Invoker, which is the gateway.
package async

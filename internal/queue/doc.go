// Package queue is the port to durable streams of messages that are handed
// out under leases.
//
// A message is in its stream from the moment Publish has returned until it is
// acknowledged, buried or removed: no crash in between loses it. Lease hands
// it out for a time; a message whose lease passes without an outcome is handed
// out again, so it is delivered at least once. What failed can be handed out
// later (Retry) or is put aside with the reason (Bury), where it can be looked
// at and sent on its way once more (Keeper).
//
// The package knows neither calls nor events: Head and Body are opaque.
// Adapters live in folders below, import only this package and fn, and pass the suite
// in queuetest.
package queue

package queue

import (
	"context"
	"time"
)

// Queue holds streams. A stream exists while it holds messages; one without
// costs nothing. All methods may be called from several goroutines at once.
type Queue interface {
	// Publish adds messages to their streams, all or none, and returns once
	// they are durable. Concurrent calls share a sync of the disk. A message
	// whose ID its stream holds already (waiting, leased or buried) is dropped
	// without an error: publishing again after a lost answer is safe. Errors
	// wrap fn.Invalid (the message can never be kept), fn.TooLarge, or
	// fn.Exhausted when the disk is full or the queue's own limit is reached;
	// nothing was accepted then.
	Publish(ctx context.Context, messages ...Message) error

	// Lease hands out up to max due messages of a stream, the oldest due first,
	// each until d from now. It does not wait: with nothing due it returns
	// none. A lease need not survive a crash: after one every message not
	// settled is due again.
	Lease(ctx context.Context, stream string, max int, d time.Duration) ([]Delivery, error)

	// Settle says what became of leased messages, all or none, and returns
	// once that is durable (Extend is not: it lives as long as the lease).
	// An outcome whose lease has passed or was taken over is fn.Conflict,
	// and none of the outcomes takes effect; settle them one by one then.
	Settle(ctx context.Context, outcomes ...Outcome) error

	// Due waits until streams have messages that can be leased and returns
	// their names, each at most once. A stream is reported when a message of
	// it becomes due: by Publish, because its time has come, by a lease that
	// passed, or because it was there when the queue was opened. Whoever gets
	// a name leases until nothing is left; what is due then and was not leased
	// is not reported again until something else of the stream becomes due.
	// One goroutine at a time may call Due.
	Due(ctx context.Context) ([]string, error)

	// Streams describes the streams whose names begin with prefix, in order.
	Streams(ctx context.Context, prefix string) ([]Info, error)
}

// Keeper is implemented by queues whose messages can be looked at and changed
// by hand.
type Keeper interface {
	// List returns messages of a stream in a state, in order of Seq, those
	// after the given one, at most limit.
	List(ctx context.Context, stream string, state State, after uint64, limit int) ([]Entry, error)
	// Find returns the message with that ID in any of the streams whose names
	// begin with prefix, or fn.NotFound.
	Find(ctx context.Context, prefix, id string) (Entry, error)
	// Revive makes buried messages due now, their attempts counted anew.
	// fn.NotFound if one is not buried; none is changed then.
	Revive(ctx context.Context, stream string, seqs ...uint64) error
	// Remove deletes messages whatever their state, durably. A lease on one is
	// void. What is not there is no error. The number removed is returned.
	Remove(ctx context.Context, stream string, seqs ...uint64) (int, error)
	// Expire removes messages that were buried before a time, durably, and
	// returns how many. It looks at those after the given Seq, at most limit;
	// next is where to go on, 0 if it has seen all. One that is revived at the
	// same time is either removed or due, never both.
	Expire(ctx context.Context, stream string, before time.Time, after uint64, limit int) (removed int, next uint64, err error)
}

// Message is what is published.
type Message struct {
	Stream string    // names joined by '/', at most MaxStream bytes: "async/faas-request/default/fib"
	ID     string    // the publisher's name for it, at most MaxID bytes; "": never a duplicate
	Head   []byte    // what is said about it, at most MaxHead bytes; shown by List
	Body   []byte    // at most the adapter's limit
	Due    time.Time // not handed out before; zero: at once
}

// Bounds of a message.
const (
	MaxStream = 255
	MaxID     = 128
	MaxHead   = 256 << 10
)

// Delivery is a message under a lease.
type Delivery struct {
	Entry
	Body  []byte
	Lease uint64 // names the lease for Outcome
}

// Entry is what is known of a message besides its body.
type Entry struct {
	Stream    string
	Seq       uint64 // order of publishing within the stream; 1, 2, 3 …, with gaps
	ID        string
	Head      []byte
	Size      int       // bytes of the body
	State     State     //
	Attempt   int       // how often it has been leased, this time included
	Published time.Time //
	Due       time.Time // when it is or was due; of a leased one when the lease passes; of a buried one when it was buried
	Reason    string    // why the last attempt failed; "" if none has
}

// State is where a message is in its life.
type State string

// The states of a message.
const (
	Waiting State = "waiting" // due, or due later
	Leased  State = "leased"
	Buried  State = "buried" // put aside: a dead letter
)

// Outcome is what became of a leased message.
type Outcome struct {
	Stream string
	Seq    uint64
	Lease  uint64
	Action Action
	At     time.Time // Retry: when it is due; Extend: until when the lease holds
	Reason string    // Retry, Bury: why, at most MaxReason bytes (more is cut)
}

// MaxReason bounds an Outcome's reason.
const MaxReason = 4096

// Action says what to do with a leased message.
type Action uint8

// The actions.
const (
	Ack    Action = iota // it is done with: remove it
	Retry                // hand it out again at At
	Bury                 // put it aside with the reason
	Extend               // keep the lease until At
)

// Info describes one stream.
type Info struct {
	Stream  string
	Waiting int // due now
	Delayed int // due later
	Leased  int
	Buried  int
	Bytes   int64     // of heads and bodies
	Oldest  time.Time // when the oldest message that is not buried was published
}

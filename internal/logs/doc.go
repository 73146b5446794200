// Package logs keeps what functions print.
//
// Each function has a ring of segment files below DIR/NAMESPACE/NAME, one
// record a line, so that an operator can also read them with cat:
//
//	2026-07-01T12:00:00.123456789Z o 3 fib-3-k2x9 0197c1f0-… the text
//
// that is time, stream (o stdout, e stderr, r a remark of Rouse; a capital
// letter marks a line that was cut), revision, instance, call or "-", text.
// The text is kept byte for byte and made safe only where it is shown.
//
// Writing never fails and never waits long: what comes faster than the
// instance's rate, or while the disk is slow or full, is dropped and counted,
// and a remark in the ring says how much. Nothing is synced: after a power cut
// the last lines may be missing or torn, which readers skip. There is no
// goroutine; Sweep, called now and then, closes what is idle and keeps the
// total within its budget. A function that is silent costs neither memory nor
// an open file.
//
// It is not for the server's own log, and not for records of calls (see
// package observe).
//
// Locks are taken in this order: instance, Store.mu, ring, Store.openMu.
package logs

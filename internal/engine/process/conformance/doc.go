// Package conformance holds process sandboxes to the engine port.
//
// It has tests only: the shared suite on a private host, with the network
// manager, as root.
package conformance

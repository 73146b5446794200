// Package netns gives each sandbox a network of its own.
//
// A sandbox's network is a Linux network namespace that only descriptors and
// processes keep alive, so nothing of it outlives them: there is no entry in
// the file system. It has lo and, if the function may reach out, one end of a
// veth pair. The host's end is routed, never bridged, and one nftables table
// of this server says what may pass: nothing to the host but questions to the
// name relay, nothing to other sandboxes, nothing to link-local or metadata
// addresses, everything else masqueraded.
//
// It is not for limiting bandwidth, nor for connections into a sandbox from
// outside: the platform reaches a program with Netns.Dial, which makes the
// socket inside.
//
// Order: New, Recover, then Run beside any number of Acquire, and Close when
// the last sandbox is gone.
package netns

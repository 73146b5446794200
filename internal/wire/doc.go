// Package wire speaks HTTP/1.1 on a connection, strictly as RFC 9112 has it.
//
// It is a leaf: it knows bytes and connections, not functions, routes or
// policy. It is not a general HTTP library either: what it does not accept
// (folded fields, bare line feeds, unknown transfer codings …) is refused, so
// that no two readers of one message can disagree about where it ends.
package wire

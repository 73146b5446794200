// Package gateway is the data path of calls over HTTP.
//
// It has the pool admit a call, then streams both ways between client and
// instance.
//
// Calls over HTTP/1.1 are served by an engine of our own (packages wire and
// contract/http); everything else that arrives on the listener — HTTP/2, the
// management API — is handed to net/http with the handler given by the
// caller. The gateway decides nothing about instances, revisions or access.
//
// Nothing on the path of a warm call writes to disk, takes a lock shared by
// all calls, or starts a timer: one sweeper looks at calls that take long.
package gateway

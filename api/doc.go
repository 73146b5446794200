// Package api holds the wire types of Rouse's native API, the JSON spoken
// under /v1.
//
// It is data only: no client (see package client), no server, no validation;
// it imports the standard library alone so that any program can use it.
// Quantities are human strings: bytes "128Mi", processor time "500m",
// durations "60s". Times are RFC 3339. Unknown fields are refused by the
// server in requests and should be ignored by clients in responses.
package api

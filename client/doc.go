// Package client is the Go client of Rouse's native API.
//
// It speaks HTTP and the types of package api, nothing else: it reads no
// configuration and no password file. Errors the server tells are *api.Error
// (errors.AsType[*api.Error]); errors of the way there wrap what net/http
// gave. A Client may be used from several goroutines at once.
package client

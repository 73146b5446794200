// Package httpcontract speaks HTTP/1.1 to an instance: one request, one
// response at a time on a kept-alive connection.
//
// It does not choose the instance (pool does), does not know the client
// (gateway does) and changes no field of either message.
package httpcontract

// Package native speaks the native API, JSON over HTTP under /v1.
//
// It is not for calling functions (see package gateway) and decides nothing:
// handlers translate between api types and Control. One table (routes) holds
// every method, path, access level and type; the mux and the OpenAPI document
// are both made from it.
package native

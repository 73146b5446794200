// Package watchdog serves HTTP by running a program once for each request.
//
// It is the whole life of a fork-mode instance, where it runs inside the
// sandbox as process 1: the request's body is the program's standard input,
// what it prints is the response. It knows nothing of the platform around it
// and never runs in the server's own process: it reaps every child there is.
package watchdog

// Package fork runs programs for HTTP requests.
//
// What the watchdogs share is here: starting a program in a process group of
// its own, bytes both ways, ending it with all it started, the variables that
// tell it of its request. It reaps every child process there is, so it never
// runs in the server's own process, and one process has one Children at a time.
package fork

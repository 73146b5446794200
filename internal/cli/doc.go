// Package cli is the command line: one file for each group of commands.
//
// It talks to a server through package client only and never runs a function
// itself; what needs the rest of the program (starting a server) comes in as a
// hook. Data goes to standard output, everything said to people to standard
// error: progress, remarks, errors with what to do next.
package cli

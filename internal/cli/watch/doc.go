// Package watch waits until files below a folder change.
//
// It says that something happened, not what: saving one file makes several
// events, and whether content differs is for the caller to find out.
package watch

// Package runtimes reads runtime descriptions to say what one of them makes of
// a function's source.
//
// A description is data: a folder with runtime.yaml, shim files and starter
// files (see docs/runtimes.md). The package runs nothing and writes nothing
// but starter files; carrying a Plan out is package steps' work.
package runtimes

// Package app wires the parts into a program.
//
// It is the only importer of adapters, and the only place besides main that
// knows of the process it runs in. It decides in which order things start and
// stop: the listener last and first.
package app

// Package steps builds a function by running its runtime's build steps, each
// in a sandbox of its own.
//
// The tools run tenants' code (setup.py, npm scripts), so nothing of it runs
// outside a sandbox, and what comes out is normalised before it is kept. Which
// steps there are is decided in package runtimes.
package steps

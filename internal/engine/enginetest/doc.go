// Package enginetest is the conformance suite of the engine port.
//
// Run tries every sentence of the port's comments on an engine, with real
// programs; Escapes runs a program that tries to get out of its sandbox. An
// engine's test package calls Main from TestMain, so that all of this happens
// on a private host: network, mounts and interfaces of the test's own.
//
// It is not for measuring.
package enginetest

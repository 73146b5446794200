// Package nativetest is a platform without functions: the native API over a
// Control that keeps everything in memory, for tests of what speaks to it.
//
// It starts no program and builds nothing; what it accepts and refuses
// follows the contract of native.Control.
package nativetest

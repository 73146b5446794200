// Package openfaas serves functions as the two watchdogs of OpenFaaS do.
//
// A function written for of-watchdog or the classic watchdog finds the same
// variables, headers, paths and log lines here (docs/watchdog.md). The package
// works in two places: inside an instance of ours, on a socket it inherits,
// where it says it is ready only when it is; or as the entry point of a
// container image, listening by itself.
package openfaas

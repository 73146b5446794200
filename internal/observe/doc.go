// Package observe counts calls.
//
// An Observer is told of every finished call and of every start and end of an
// instance. It keeps sharded counters and histograms for each function, made
// when the function is first called, and the records of the newest calls in
// memory, within a fixed number of bytes. Prometheus reads the counters
// through Handler; package pool supplies what is true only at the moment of
// reading (calls in flight, instances) through Source.
//
// The counters are exported under names of our own and, if Config.Names is
// given, once more under those of OpenFaaS. How often a function was called
// outlives the server in a file (SaveCalls).
//
// It is not for what functions print (see package logs), nor for the server's
// own log. Record takes a fraction of a microsecond, locks nothing that other
// calls wait for, and allocates nothing once a function is known.
//
// The names, units and labels of all metrics stand in docs/metrics.md.
package observe

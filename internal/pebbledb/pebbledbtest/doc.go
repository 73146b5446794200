// Package pebbledbtest is the disks that databases meet in tests: full, broken or
// damaged.
package pebbledbtest

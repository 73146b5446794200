// Package control turns intent into what runs.
//
// It deploys, rolls back, scales and removes functions, and keeps store,
// routing table and pool in step.
//
// It serves no HTTP (dialects do) and starts no sandbox itself (pool does).
// The store is the truth; everything else is rebuilt from it by Load.
package control

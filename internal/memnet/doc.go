// Package memnet is a network in memory, for tests under virtual time.
//
// Its connections behave like TCP's: they buffer, can be half closed, and
// have deadlines. It is not for production: it has no limits and no addresses.
package memnet

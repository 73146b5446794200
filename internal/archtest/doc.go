// Package archtest holds the rules of the house as tests.
//
// They say which package may import which, what every package must have, what
// no file may do.
package archtest

// Package auth says who may ask for what.
//
// It holds accounts, checks passwords and has the one policy check (Allow).
// It does not know routes: the table of package native says which Access each
// needs. Calls of functions need no account.
package auth

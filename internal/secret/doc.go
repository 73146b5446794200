// Package secret seals values for the disk.
//
// A value is sealed with age to an X25519 key that lies beside the store, and
// is bound to a name: what was sealed for one name does not open under
// another. The package knows neither the store nor HTTP.
package secret

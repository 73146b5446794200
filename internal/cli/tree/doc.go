// Package tree copies folders that nobody vouches for.
//
// Nothing is read outside the source's root or written outside the
// destination's, whatever links lie in either, and there is an end to how
// much is copied.
package tree

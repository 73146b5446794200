// Package source takes in what users send as the source of a function.
//
// It unpacks archives that are taken to be hostile and names trees by their
// content. It never follows a link out of a tree; it does not know what the
// files mean.
package source

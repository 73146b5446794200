// Package bundles holds the functions that Rouse brings.
//
// Each is a folder with a manifest and its source, embedded in this program:
// it is built by the host's own tools when it is first deployed. Those below
// store have a title, a description, an icon and examples besides.
package bundles

// Package build is the port to whatever turns a function's source into an
// artifact.
//
// Adapters live in folders below (steps); what every build needs beside its
// tools, like a cache, comes as a decorator from here. The package knows no
// language and starts no process.
package build

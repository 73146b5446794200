// Package templates holds the runtimes that Rouse brings: one folder for each
// language.
//
// A folder is data: runtime.yaml, the shim copied into artifacts, and the
// starter files of "rouse new". It is read by internal/build/runtimes; no
// language is mentioned in Go code.
package templates

import "embed"

// FS has one folder at its root for each runtime, and this file.
//
//go:embed all:*
var FS embed.FS

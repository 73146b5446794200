// Package view prepares what a sandbox sees of the host's files.
//
// A view is a mount namespace that holds nothing but a small read-only tree:
// the runtime folders, a curated /etc and a handful of devices. Sandboxes copy
// it instead of the host's mounts, so the cost of a start does not depend on
// how much is mounted on the host, and there is no old root to leave. The
// per-instance parts (/tmp, /proc, /function) are not its business.
package view

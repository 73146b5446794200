// Package launch turns a list of raw system calls into a running process.
//
// The process is made by one clone with CLONE_VM|CLONE_VFORK: it shares the
// server's memory and borrows its stack until its last call, execve, so no
// copy of the server is ever made. Everything the child touches is allocated
// before the clone, and how far it came is read from the shared memory
// afterwards. The package knows nothing of sandboxes: package plan decides
// which calls to make.
package launch

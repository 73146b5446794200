// Package seccomp compiles the allowlist of system calls a function may make.
//
// The program is classic BPF, built here from a table of names for amd64 and
// arm64; nothing is read from the host. What is not in the table is refused:
// calls a kernel of 2019 knew with EPERM, newer ones with ENOSYS, so that a C
// library falls back to what it did before they existed.
package seccomp

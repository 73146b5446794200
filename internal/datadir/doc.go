// Package datadir is the folder that holds everything a server must not forget.
//
// A folder is used by one server at a time (a lock), by servers that know its
// format (a version, with migrations from older ones), and by nobody else (mode
// 0700). Backup copies it while its server runs; Restore makes a new one from
// such a copy. What stands in the files below it is not this package's business.
package datadir

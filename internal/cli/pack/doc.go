// Package pack turns a folder of source into one archive.
//
// The archive (tar.gz) depends on names, contents and the executable bit
// alone: the same files give the same bytes, so that its digest tells whether
// anything changed. Unpacking is the server's affair.
package pack

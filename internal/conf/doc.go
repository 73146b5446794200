// Package conf is the server's configuration: one Config tree.
//
// It is made of defaults, a file, the environment and flags, in that order,
// then validated as a whole. It reads nothing by itself: the environment and the file system are handed
// to Load, and no other package reads either. The doc tag of each field is
// the text that "rouse config" and docs/config.md show.
package conf

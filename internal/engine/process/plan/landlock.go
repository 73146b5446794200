package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What a rule may allow.
const (
	fsRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	fsExec  = fsRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	fsWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	fsAll   = fsExec | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	// fsFile is what a rule for something that is not a folder may hold.
	fsFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | fsWrite
)

// pathRule allows access below a path.
type pathRule struct {
	path   string
	access uint64
	file   bool
}

// boxRules are the rules of a sandbox with its own mounts: what is in it was
// put there, so reading is free, and writing is for the private parts.
func (c *compiler) boxRules() []pathRule {
	rules := []pathRule{
		{path: "/", access: fsExec},
		{path: "/dev", access: fsRead | fsWrite},
		{path: "/tmp", access: fsAll},
	}
	for _, t := range c.box.Trees {
		if t.Writable {
			rules = append(rules, pathRule{path: t.Target, access: fsAll})
		}
	}
	for _, b := range c.box.Binds {
		if b.Writable {
			rules = append(rules, pathRule{path: b.Target, access: fsAll})
		}
	}
	return rules
}

// handled are the rights an ABI knows; rights not handled are not restricted.
func handled(abi int) uint64 {
	h := uint64(1<<13 - 1)
	for bit, since := range map[int]int{13: 2, 14: 3, 15: 5} {
		if abi >= since {
			h |= 1 << bit
		}
	}
	return h
}

// ruleset restricts the child with Landlock. With ABI 1 a file could never be
// renamed into another folder, which is worth less than it breaks unless
// Landlock is all there is.
func (c *compiler) ruleset(rules []pathRule) {
	r := c.box.Ruleset
	if r == nil || r.ABI < 1 || r.ABI < 2 && c.box.Level != Landlock {
		return
	}
	fs := handled(r.ABI)
	var net, scoped uint64
	if r.NoTCP && r.ABI >= 4 {
		net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if r.Confine && r.ABI >= 6 {
		scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	size := 8
	if r.ABI >= 4 {
		size = 16
	}
	if r.ABI >= 6 {
		size = 24
	}
	attr := u64s(fs, net, scoped)[:size]
	set := c.slot(c.add("creating the Landlock ruleset", sysCreateRuleset,
		Bytes(attr, fmt.Sprintf("fs %#x, net %#x, scoped %#x", fs, net, scoped)), Num(uint64(size)), zero()))
	for _, rl := range rules {
		access := rl.access & fs
		if rl.file {
			access &= fsFile
		}
		fd := c.openPath(rl.path)
		c.add("allowing "+rl.path, sysAddRule, Slot(set), Flags(unix.LANDLOCK_RULE_PATH_BENEATH, "PATH_BENEATH"), rule(access, fd), zero())
	}
	if net != 0 && r.Port > 0 {
		attr := u64s(unix.LANDLOCK_ACCESS_NET_BIND_TCP, uint64(r.Port))
		c.add("allowing the port", sysAddRule, Slot(set), Flags(2, "NET_PORT"), Bytes(attr, fmt.Sprintf("bind %d", r.Port)), zero())
	}
	c.add("restricting with Landlock", sysRestrict, Slot(set), zero())
}

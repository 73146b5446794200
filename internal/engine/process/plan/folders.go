package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// page is what one write of a file's content holds. A write of a page to
// memory is made whole or not at all, so no step has to look how far it came.
const page = 4096

// folders makes the private folders below base: ramfs rather than tmpfs, as
// its pages are never swapped to a disk. It has no size of its own, but after
// the last file it is read-only.
func (c *compiler) folders(base string) {
	for _, f := range c.box.Folders {
		at := base + f.Targets[0]
		c.add("mounting "+f.Targets[0], sysMount, Str("ramfs"), Str(at), Str("ramfs"),
			Flags(unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "MS_NOSUID|MS_NODEV|MS_NOEXEC"), Str("mode=0500"))
		for _, file := range f.Files {
			c.file(at+"/"+file.Name, f.Targets[0]+"/"+file.Name, file)
		}
		if c.box.Level == Full {
			c.add("giving "+f.Targets[0]+" to the function", sysFchownat, atCwd(), Str(at), c.uid(), c.uid(), zero())
		}
		c.add("making "+f.Targets[0]+" read-only", sysMountSetattr, atCwd(), Str(at), zero(),
			Bytes(u64s(unix.MOUNT_ATTR_RDONLY, 0, 0, 0), "set MOUNT_ATTR_RDONLY"), Num(32))
		for _, t := range f.Targets[1:] {
			c.add("mounting "+t, sysMount, Str(at), Str(base+t), zero(), Flags(unix.MS_BIND, "MS_BIND"), zero())
		}
	}
}

// uid is the function's user as the host sees it; its group has the same
// number.
func (c *compiler) uid() Arg { return Num(uint64(c.box.UID)) }

// file writes one file; name is how its steps call it.
func (c *compiler) file(path, name string, f File) {
	fd := c.slot(c.add("making "+name, sysOpenat, atCwd(), Str(path),
		Flags(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, "O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC"), Flags(uint64(f.Mode), fmt.Sprintf("%#o", f.Mode))))
	for at := 0; at < len(f.Data); at += page {
		part := f.Data[at:min(at+page, len(f.Data))]
		c.add("writing "+name, sysPwrite, Slot(fd), Bytes(part, "content"), Num(uint64(len(part))), Num(uint64(at)))
	}
	if c.box.Level == Full {
		c.add("giving "+name+" to the function", sysFchown, Slot(fd), c.uid(), c.uid())
	}
	c.add("closing "+name, sysClose, Slot(fd))
}

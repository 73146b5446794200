package plan

import "golang.org/x/sys/unix"

// lastCap is the highest capability the bounding set can hold on any kernel
// to come; higher ones than the kernel's own answer EINVAL, which is fine.
const lastCap = 63

// secureBits: root's uid means nothing, nothing can be kept or made ambient,
// and none of that can be changed.
const secureBits = 1<<0 | 1<<1 | // SECBIT_NOROOT, locked
	1<<3 | // SECBIT_NO_SETUID_FIXUP stays off, locked
	1<<5 | // SECBIT_KEEP_CAPS stays off, locked
	1<<6 | 1<<7 // SECBIT_NO_CAP_AMBIENT_RAISE, locked

// privileges gives up everything a user namespace grants, for good. The
// parent-death signal comes last: a change of credentials would clear it.
func (c *compiler) privileges() {
	c.add("locking the secure bits", sysPrctl, Flags(unix.PR_SET_SECUREBITS, "PR_SET_SECUREBITS"), Flags(secureBits, "0xeb"), zero(), zero(), zero())
	c.add("clearing ambient capabilities", sysPrctl, Flags(unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"),
		Flags(unix.PR_CAP_AMBIENT_CLEAR_ALL, "PR_CAP_AMBIENT_CLEAR_ALL"), zero(), zero(), zero())
	c.bounding()
	hdr := u64s(unix.LINUX_CAPABILITY_VERSION_3)
	c.add("dropping capabilities", sysCapset, Bytes(hdr, "version 3, self"), Bytes(make([]byte, 24), "none"))
	c.noNewPrivs()
}

func (c *compiler) bounding() {
	for i := range uint64(lastCap + 1) {
		s := c.add("dropping a capability from the bounding set", sysPrctl,
			Flags(unix.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"), Num(i), zero(), zero(), zero())
		s.Ignore = append(s.Ignore, unix.EINVAL)
	}
}

func (c *compiler) noNewPrivs() {
	c.add("forbidding new privileges", sysPrctl, Flags(unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"), Num(1), zero(), zero(), zero())
	c.add("asking to die with the server", sysPrctl, Flags(unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"), Flags(uint64(unix.SIGKILL), "SIGKILL"), zero(), zero(), zero())
}

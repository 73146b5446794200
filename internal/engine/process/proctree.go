package process

import (
	"os"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
)

// procStat is what /proc/PID/stat says of a process.
type procStat struct {
	state         byte
	parent        int
	session       int
	cpu           time.Duration
	start         string // clock ticks since boot: with the pid it names a process for good
	threads       int
	residentPages int64
}

// tick is the unit of times in /proc: 100 a second on every Linux.
const tick = 10 * time.Millisecond

func readStat(pid int) (procStat, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, false
	}
	return parseStat(string(data))
}

// parseStat reads the fields after the command, which may hold anything, and
// ends with the last parenthesis.
func parseStat(data string) (procStat, bool) {
	f := strings.Fields(data[strings.LastIndexByte(data, ')')+1:])
	if len(f) < 22 || f[0] == "" {
		return procStat{}, false
	}
	num := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
	return procStat{
		state: f[0][0], parent: int(num(1)), session: int(num(3)),
		cpu: time.Duration(num(11)+num(12)) * tick, threads: int(num(17)), start: f[19], residentPages: num(21),
	}, true
}

func stopped(pid int) bool {
	s, ok := readStat(pid)
	return !ok || strings.IndexByte("TtZX", s.state) >= 0
}

// scan calls f for every process of the host.
func scan(f func(pid int, s procStat)) {
	dir, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			if s, ok := readStat(pid); ok {
				f(pid, s)
			}
		}
	}
}

// session lists the living processes of a session.
func session(id int) []int {
	var out []int
	scan(func(pid int, s procStat) {
		if s.session == id && s.state != 'Z' && s.state != 'X' {
			out = append(out, pid)
		}
	})
	return out
}

// processes lists a sandbox's processes where no control group does: all
// descendants of the first, which orphans of a process namespace return to,
// and without one, whatever stayed in the session.
func (i *instance) processes() []int {
	parents := map[int]int{}
	var out []int
	scan(func(pid int, s procStat) {
		parents[pid] = s.parent
		if i.level == plan.Landlock && s.session == i.pid {
			out = append(out, pid)
		}
	})
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			if p == i.pid {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// estimate fills in from /proc what no control group counts.
func (i *instance) estimate(u *engine.Usage) {
	var pages int64
	var cpu time.Duration
	threads := 0
	for _, pid := range i.processes() {
		if s, ok := readStat(pid); ok {
			pages += s.residentPages
			cpu += s.cpu
			threads += s.threads
		}
	}
	if u.Memory == 0 {
		u.Memory = pages * int64(os.Getpagesize())
	}
	if u.CPU == 0 {
		u.CPU = cpu
	}
	if u.Pids == 0 {
		u.Pids = threads
	}
}

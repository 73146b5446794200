// Probe is the program that the engine suite runs in sandboxes. It does one
// thing for each word it is started with, or serves the commands of serve.go.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	inherited := descriptors() // before anything opens one
	word, rest := "", []string(nil)
	if len(os.Args) > 1 {
		word, rest = os.Args[1], os.Args[2:]
	}
	switch word {
	case "serve":
		l, err := listener()
		check(err)
		serve(l, inherited)
	case "wait": // listens nowhere, ends with SIGTERM
		time.Sleep(time.Duration(math.MaxInt64))
	case "exit":
		code, err := strconv.Atoi(rest[0])
		check(err)
		os.Exit(code)
	case "crash":
		fault()
	case "polite": // says goodbye at SIGTERM
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
		fmt.Println("goodbye")
	case "stubborn": // ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Duration(math.MaxInt64))
	case "orphan": // leaves a child behind
		c := exec.Command(os.Args[0], "wait", rest[0])
		check(c.Start())
		fmt.Println("ready")
	case "print":
		n, err := strconv.Atoi(rest[0])
		check(err)
		flood(os.Stdout, 'o', n)
		flood(os.Stderr, 'e', n)
	case "self":
		check(json.NewEncoder(os.Stdout).Encode(self(inherited)))
	case "try":
		attemptFromInput(rest[0])
	default:
		fmt.Fprintln(os.Stderr, "probe: what is", word)
		os.Exit(64)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(70)
	}
}

func flood(w io.Writer, c byte, n int) {
	b := []byte(strings.Repeat(string(c), 4095) + "\n")
	for n > 0 {
		k, err := w.Write(b[:min(n, len(b))])
		check(err)
		n -= k
	}
}

// listener takes what the engine gives: the socket that is descriptor 3, or
// the port.
func listener() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") == "1" {
		f := os.NewFile(3, "socket")
		defer f.Close()
		return net.FileListener(f)
	}
	return net.Listen("tcp4", "0.0.0.0:"+os.Getenv("PORT"))
}

// Self is what a program can say of itself.
type Self struct {
	Env      []string
	Args     []string
	Dir      string
	Pid, UID int
	GID      int
	Groups   []int
	FDs      map[int]string // inherited
	Hostname string
	Status   map[string]string // of /proc/self/status
	Time     time.Time
}

func self(inherited map[int]string) Self {
	dir, _ := os.Getwd()
	groups, _ := os.Getgroups()
	name, _ := os.Hostname()
	status := map[string]string{}
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		status[k] = strings.TrimSpace(v)
	}
	return Self{
		Env: os.Environ(), Args: os.Args, Dir: dir, Pid: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(),
		Groups: groups, FDs: inherited, Hostname: name, Status: status, Time: time.Now(),
	}
}

// descriptors returns what is open, without opening anything.
func descriptors() map[int]string {
	out := map[int]string{}
	for fd := range 1024 {
		if _, _, e := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); e == 0 {
			name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			if err != nil {
				name = "?"
			}
			out[fd] = name
		}
	}
	return out
}

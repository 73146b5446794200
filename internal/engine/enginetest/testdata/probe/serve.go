package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// serve answers one command on each connection: a line in, the answer out,
// then it closes. It never returns.
func serve(l net.Listener, inherited map[int]string) {
	s := &server{inherited: inherited}
	for {
		c, err := l.Accept()
		check(err)
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			words := strings.Fields(line)
			s.do(c, r, words[0], words[1:])
		}()
	}
}

type server struct {
	inherited map[int]string
	count     atomic.Int64
	hoard     [][]byte
}

func (s *server) do(w io.Writer, r io.Reader, command string, args []string) {
	switch command {
	case "ping":
		fmt.Fprint(w, "pong")
	case "self":
		check(json.NewEncoder(w).Encode(self(s.inherited)))
	case "count":
		fmt.Fprint(w, s.count.Add(1))
	case "echo":
		_, _ = io.Copy(w, r)
	case "spin": // burns one core from now on
		go func() {
			for {
				s.count.Load()
			}
		}()
		fmt.Fprint(w, "spinning")
	case "alloc": // megabytes, touched
		n, err := strconv.Atoi(args[0])
		check(err)
		for range n {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 512 {
				b[i] = byte(i) | 1
			}
			s.hoard = append(s.hoard, b)
		}
		fmt.Fprint(w, len(s.hoard))
	case "fork": // processes, until it cannot
		n, err := strconv.Atoi(args[0])
		check(err)
		done := 0
		for ; done < n; done++ {
			if err = exec.Command(os.Args[0], "wait", args[1]).Start(); err != nil {
				break
			}
		}
		fmt.Fprintf(w, "%d %v", done, err)
	case "write": // path, bytes
		n, err := strconv.Atoi(args[1])
		check(err)
		fmt.Fprint(w, write(args[0], n))
	case "read":
		b, err := os.ReadFile(args[0])
		fmt.Fprintf(w, "%v %s", err, b)
	case "stat":
		info, err := os.Lstat(args[0])
		if err != nil {
			fmt.Fprint(w, err)
			return
		}
		fmt.Fprintf(w, "%v %d %v", info.Mode(), info.Size(), info.Sys().(*syscall.Stat_t).Uid == uint32(os.Getuid()))
	case "spoil":
		fmt.Fprint(w, strings.Join(spoil(args[0]), " "))
	case "list":
		names, err := filepath.Glob(args[0])
		fmt.Fprintf(w, "%v %s", err, strings.Join(names, " "))
	case "dial":
		c, err := net.DialTimeout(args[0], args[1], 2*time.Second)
		if err == nil {
			c.Close()
		}
		fmt.Fprint(w, err)
	case "escape":
		escape(w, r)
	case "exit":
		code, err := strconv.Atoi(args[0])
		check(err)
		os.Exit(code)
	default:
		fmt.Fprint(w, "what is ", command)
	}
}

func write(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	for n > 0 {
		k, err := f.Write(b[:min(n, len(b))])
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// spoil tries to change a file, or what its path leads to, in every way there
// is, and names those that worked.
func spoil(path string) []string {
	var done []string
	try := func(name string, err error) {
		if err == nil {
			done = append(done, name)
		}
	}
	dir := filepath.Dir(path)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	try("open for writing", err)
	if err == nil {
		_, err = f.WriteString("spoilt")
		try("write", err)
		f.Close()
	}
	try("truncate", os.Truncate(path, 0))
	try("chmod", os.Chmod(path, 0o777))
	try("chmod the folder", os.Chmod(dir, 0o777))
	try("create", write(filepath.Join(dir, "new"), 1))
	try("link", os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	_ = os.WriteFile("/tmp/other", []byte("spoilt"), 0o644)
	try("rename over it", os.Rename("/tmp/other", path))
	try("rename the folder", os.Rename(dir, dir+"2"))
	try("rename its parent", os.Rename(filepath.Dir(dir), filepath.Dir(dir)+"2"))
	try("remove", os.Remove(path))
	try("remove all", os.RemoveAll(dir))
	try("mount over it", syscall.Mount("none", dir, "tmpfs", 0, ""))
	try("remount", syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND, ""))
	try("unmount", syscall.Unmount(dir, syscall.MNT_DETACH))
	return done
}

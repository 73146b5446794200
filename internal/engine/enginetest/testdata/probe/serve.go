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

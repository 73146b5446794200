package enginetest

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
)

// dial connects to an instance; while its port is not open, again.
func dial(t *testing.T, i engine.Instance) net.Conn {
	t.Helper()
	var c net.Conn
	eventually(t, "for "+i.ID()+" to take a connection", func() bool {
		var err error
		c, err = i.Dial(t.Context())
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal("dialling:", err)
		}
		return err == nil
	})
	_ = c.SetDeadline(time.Now().Add(limit))
	return c
}

// ask sends a command and returns the answer.
func (r *running) ask(t *testing.T, command string) string {
	t.Helper()
	c := dial(t, r)
	defer c.Close()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		t.Fatalf("asking %q: %v", command, err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("asking %q: %v", command, err)
	}
	return string(b)
}

// self is what the probe says of itself.
type self struct {
	Env, Args []string
	Dir       string
	Pid, UID  int
	GID       int
	Groups    []int
	FDs       map[int]string
	Hostname  string
	Status    map[string]string
}

func parseSelf(t *testing.T, text string) self {
	t.Helper()
	var s self
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("the probe said %q: %v", text, err)
	}
	return s
}

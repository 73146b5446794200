package enginetest

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func closeCases() []testCase {
	return []testCase{
		{"it ends what runs and leaves nothing", closeLeavesNothing},
		{"afterwards nothing starts", closeThenStart},
	}
}

// life is everything an engine goes through, from open to close. It returns
// the tokens of what ran.
func (s *suite) life(t *testing.T, id string) []string {
	t.Helper()
	e, err := s.open(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for i, spec := range []engine.Spec{s.server(fn.ListenSocket), s.server(fn.ListenPort), s.spec("stubborn"), s.spec("exit", "0")} {
		if i%2 == 0 {
			spec.Network = fn.NetworkOn
		}
		r, err := tryStart(t.Context(), e, spec)
		if err != nil {
			t.Fatal(err)
		}
		if spec.Program.Listen != fn.ListenNone {
			r.ask(t, "ping")
		}
		if f, ok := r.Instance.(engine.Freezer); ok && s.opts.Freeze && i == 0 {
			if err := f.Freeze(t.Context()); err != nil {
				t.Error(err)
			}
		}
		tokens = append(tokens, r.token)
		t.Cleanup(func() { mustBeDone(t, r) })
	}
	if err := e.Close(); err != nil {
		t.Error("closing:", err)
	}
	return tokens
}

func closeLeavesNothing(t *testing.T, s *suite) {
	s.life(t, freshID()) // the process itself opens a few things at first use
	id := freshID()
	before := lookAtHost(t, id)
	tokens := s.life(t, id)
	for _, token := range tokens {
		mustHaveNoProcess(t, token)
	}
	if left := lookAtHost(t, id).addedTo(before); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func closeThenStart(t *testing.T, s *suite) {
	e, err := s.open(freshID())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if i, err := e.Start(t.Context(), s.spec("wait")); err == nil {
		t.Error("it started:", i.Stop(t.Context(), 0))
	}
}

func recoverCases() []testCase {
	return []testCase{
		{"nothing left, nothing found", recoverNothing},
		{"what a killed server left is removed", recoverKilled},
	}
}

func recoverNothing(t *testing.T, s *suite) {
	e, err := s.open(freshID())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if left, err := e.Recover(t.Context()); err != nil || left != (engine.Leftovers{}) {
		t.Errorf("found %+v, %v", left, err)
	}
}

// held is what the suite tells a server that is going to be killed.
type held struct {
	ID    string
	Specs []engine.Spec
}

func recoverKilled(t *testing.T, s *suite) {
	before := lookAtHost(t, "there is no such id")
	h := held{ID: freshID()}
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort, fn.ListenNone} {
		spec := s.server(listen)
		if listen == fn.ListenNone {
			spec = s.spec("stubborn")
		} else {
			spec.Network = fn.NetworkOn
		}
		spec.Stdout, spec.Stderr = nil, nil
		h.Specs = append(h.Specs, spec)
	}
	// A neighbour must not be touched.
	neighbour := s.start(t, s.engine(t), s.server(fn.ListenSocket))

	killServer(t, h)
	e := s.engineAfterKill(t, h.ID)
	for _, spec := range h.Specs {
		mustHaveNoProcess(t, spec.Program.Command[len(spec.Program.Command)-1])
	}
	if got := neighbour.ask(t, "ping"); got != "pong" {
		t.Errorf("the neighbour says %q", got)
	}
	r := s.start(t, e, h.Specs[0]) // the same ids work again
	if got := r.ask(t, "ping"); got != "pong" {
		t.Errorf("a new instance says %q", got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, x := range lookAtHost(t, h.ID).addedTo(before) {
		if strings.Contains(x, h.ID) {
			t.Errorf("left: %s", x)
		}
	}
}

func (s *suite) engineAfterKill(t *testing.T, id string) engine.Engine {
	t.Helper()
	e, err := s.open(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() }) // the test has closed it, with the error looked at
	left, err := e.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("found %+v", left)
	return e
}

// killServer runs a server of its own that starts what it is told, and kills
// it in the middle of its life.
func killServer(t *testing.T, h held) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), envHold+"=1")
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(stdin).Encode(h); err != nil {
		t.Error(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if line != "holding\n" {
		t.Errorf("the server said %q, %v", line, err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait()
}

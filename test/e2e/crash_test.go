package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKilledServerComesBackWhole kills the server without a warning during
// deploys and calls, again and again: every deploy that was acknowledged is
// there afterwards and answers, and nothing of the dead server is left.
func TestKilledServerComesBackWhole(t *testing.T) {
	needRoot(t)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	s := start(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	fns := map[string]*promise{} // guarded by mu
	acks := 0                    // guarded by mu: deploys that were acknowledged
	for w := range 3 {
		fns[fmt.Sprintf("f%d", w)] = &promise{}
	}
	for round := range rounds {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for w := range 3 {
			wg.Go(func() {
				name := fmt.Sprintf("f%d", w)
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					says := fmt.Sprintf("%d.%d.%d", round, w, n)
					mu.Lock()
					fns[name].pending = says
					mu.Unlock()
					if _, err := s.rouse("deploy", s.echo(name, says)); err != nil {
						return // the server is gone
					}
					mu.Lock()
					fns[name].acked, fns[name].pending = says, ""
					acks++
					mu.Unlock()
				}
			})
			wg.Go(func() {
				c := &http.Client{Transport: &http.Transport{}}
				defer c.CloseIdleConnections()
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, _, _, err := s.tryCall(c, fmt.Sprintf("f%d", w), ""); err != nil {
						return
					}
				}
			})
		}
		pause := time.NewTimer(time.Duration(100+rng.IntN(900)) * time.Millisecond)
		<-pause.C
		s.kill()
		close(stop)
		wg.Wait()
		s.run()
		if left := s.leftoverInstances(); len(left) > 0 {
			t.Fatalf("round %d: after the restart the dead server's instances still run:\n%v", round, left)
		}
		for name, p := range fns {
			status, body, _ := s.call(name, "")
			if !p.kept(status, body) {
				t.Fatalf("round %d: %s answers %d %q; acknowledged was %q, under way %q\n%s", round, name, status, body, p.acked, p.pending, tail(s.out.String(), 20))
			}
			if status == http.StatusOK {
				p.acked = strings.TrimSuffix(body, "\n")
			}
			p.pending = ""
		}
		s.must("list")
	}
	t.Logf("%d kills, %d deploys acknowledged, none lost", rounds, acks)
	if acks < rounds/2 {
		t.Errorf("only %d deploys were acknowledged in %d rounds: the test proved little", acks, rounds)
	}
}

// promise is what a function must answer after a crash: what was acknowledged
// last, or what was under way.
type promise struct{ acked, pending string }

func (p *promise) kept(status int, body string) bool {
	switch {
	case status == http.StatusOK:
		says := strings.TrimSuffix(body, "\n")
		return says == p.acked || p.pending != "" && says == p.pending
	case status == http.StatusNotFound:
		return p.acked == ""
	}
	return false
}

// echo is a Bash function that says one thing: quick to deploy.
func (s *server) echo(name, says string) string {
	return s.write(map[string]string{
		"rouse.yaml": fmt.Sprintf("name: %s\nruntime: bash\n", name),
		"handler.sh": fmt.Sprintf("#!/usr/bin/env bash\necho %s\n", says),
	})
}

// leftoverInstances lists processes of functions right after a start, when
// nobody has called anything.
func (s *server) leftoverInstances() []string {
	return s.processes()
}

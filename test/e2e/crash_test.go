package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
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
	acked := map[string]string{} // function → what its acknowledged revision says
	var mu sync.Mutex
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
					delete(acked, name) // unknown until acknowledged: either the old or the new may win
					mu.Unlock()
					if _, err := s.rouse("deploy", s.echo(name, says)); err != nil {
						return // the server is gone
					}
					mu.Lock()
					acked[name] = says
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
		for name, says := range acked {
			if status, body, _ := s.call(name, ""); status != 200 || body != says+"\n" {
				t.Fatalf("round %d: %s was acknowledged as %q and answers %d %q\n%s", round, name, says, status, body, tail(s.out.String(), 20))
			}
		}
		s.must("list")
	}
	if len(acked) == 0 {
		t.Error("no deploy was ever acknowledged: the test proved nothing")
	}
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

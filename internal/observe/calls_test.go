package observe

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func TestCallsOutliveTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	gone := fn.Ref{Namespace: "default", Name: "gone"}
	for round := range 3 {
		o := New(Config{})
		if err := o.LoadCalls(path); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			o.Record(call(fib, i, []int{200, 500}[i%2]))
		}
		o.Record(call(gone, 1, 200))
		if n, want := o.Calls(fib), uint64(10*(round+1)); n != want {
			t.Errorf("round %d: %d calls, want %d", round, n, want)
		}
		if n := o.Calls(gone); n != 1 {
			t.Errorf("round %d: %d calls of a function that was made anew, want 1", round, n)
		}
		if err := o.SaveCalls(path); err != nil {
			t.Fatal(err)
		}
		o.Forget(gone)
		if err := o.SaveCalls(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if want := ledgerHead + "\n30 default/fib\n"; err != nil || string(text) != want {
		t.Errorf("the file holds %q, want %q (%v)", text, want, err)
	}
}

func TestCallsAreOnlyWrittenWhenTheyChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	o := New(Config{})
	if err := o.SaveCalls(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file for no calls: %v", err)
	}
	o.Record(call(fib, 1, 200))
	if err := o.SaveCalls(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := o.SaveCalls(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("written again although nothing changed: %v", err)
	}
}

func TestRetainDropsCallsOfFunctionsThatAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	if err := os.WriteFile(path, []byte(ledgerHead+"\n7 default/fib\n8 default/gone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := New(Config{})
	if err := o.LoadCalls(path); err != nil {
		t.Fatal(err)
	}
	o.Retain(func(r fn.Ref) bool { return r == fib })
	if a, b := o.Calls(fib), o.Calls(fn.Ref{Namespace: "default", Name: "gone"}); a != 7 || b != 0 {
		t.Errorf("%d and %d calls, want 7 and 0", a, b)
	}
	o.Forget(fib)
	if err := o.SaveCalls(path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != ledgerHead+"\n" {
		t.Errorf("the file holds %q (%v) after every function is gone", text, err)
	}
}

func TestCallsFileThatIsNotOneIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":       "",
		"another":     "rouse calls 2\n1 default/fib\n",
		"a torn line": ledgerHead + "\n1 default/fib\n2",
		"negative":    ledgerHead + "\n-1 default/fib\n",
		"no function": ledgerHead + "\n1 default/../fib\n",
		"huge":        ledgerHead + "\n99999999999999999999 default/fib\n",
		"a long line": ledgerHead + "\n1 default/" + strings.Repeat("f", 1<<20) + "\n",
	} {
		path := filepath.Join(t.TempDir(), "calls")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := New(Config{})
		if err := o.LoadCalls(path); err == nil || o.Calls(fib) != 0 {
			t.Errorf("%s: error %v, %d calls", name, err, o.Calls(fib))
		}
	}
}

// killed is the argument with which this test binary counts until it is killed.
const killed = "-count-until-killed="

// countUntilKilled records calls, saves them, and says so after each time.
func countUntilKilled(path string) {
	o := New(Config{})
	if err := o.LoadCalls(path); err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("loaded", o.Calls(fib))
	for i := 0; ; i++ {
		o.Record(call(fib, i, 200))
		o.Record(call(fn.Ref{Namespace: "default", Name: fmt.Sprintf("f%d", i%500)}, i, 200))
		if err := o.SaveCalls(path); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("saved", o.Calls(fib))
	}
}

func TestKilledServerLosesOnlyWhatItHadNotSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	var last uint64
	for round := range 20 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], killed+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, seen := bufio.NewScanner(out), 0
		for lines.Scan() {
			var n uint64
			if _, err := fmt.Sscanf(lines.Text(), "loaded %d", &n); err == nil {
				if n < last || n > last+1 {
					t.Errorf("round %d: %d calls were loaded, %d had been saved", round, n, last)
				}
			} else if _, err := fmt.Sscanf(lines.Text(), "saved %d", &n); err == nil {
				last = n
			} else {
				t.Errorf("round %d: %s", round, lines.Text())
			}
			if seen++; seen == 10+round*3 { // it goes on until it is dead
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // "signal: killed"
	}
	if last < 100 {
		t.Errorf("%d calls were saved: the test proved little", last)
	}
}

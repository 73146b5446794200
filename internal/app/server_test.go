package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/cli"
	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/fn"
)

// TestMain lets the program of the tests be what servers give to sandboxes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "watchdog" {
		os.Exit(Main(context.Background(), Process{
			Args: os.Args, Version: "v0-test", Lookup: os.LookupEnv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		}))
	}
	goleak.VerifyTestMain(m)
}

// newServer is a server whose log goes to a file, shown if the test fails.
func newServer(t *testing.T) server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		if text, err := os.ReadFile(path); t.Failed() && err == nil {
			t.Logf("the server's log:\n%s", text)
		}
	})
	none := func(string) (string, bool) { return "", false }
	return server{Process{Version: "v0-test", Lookup: none, Stderr: log}}
}

func config(t *testing.T) conf.Config {
	t.Helper()
	cfg := conf.Default(filepath.Join(t.TempDir(), "data"))
	cfg.Listen = "127.0.0.1:0"
	cfg.Engine.Spares = 0
	cfg.OpenFaaS.MetricsListen = "127.0.0.1:0"
	cfg.Pool.DrainGrace = 5 * time.Second
	return cfg
}

// fetch returns the status and the body of a GET request.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestServerComesUpServesAndLeavesNothingRunning(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the process engine makes namespaces and firewall rules: run as root")
	}
	cfg, s := config(t), newServer(t)
	var password string
	for range 2 { // the second finds what the first has left
		ctx, stop := context.WithCancelCause(t.Context())
		up, ended := make(chan cli.Ready, 1), make(chan error, 1)
		go func() { ended <- s.Up(ctx, cfg, func(r cli.Ready) { up <- r }) }()
		var ready cli.Ready
		select {
		case ready = <-up:
		case err := <-ended:
			t.Fatalf("Up: %v", err)
		}
		check(t, ready, cfg)
		if (ready.Password == "") != (password != "") {
			t.Errorf("password %q, after %q", ready.Password, password)
		}
		password = ready.Password

		err := newServer(t).Up(t.Context(), cfg, func(cli.Ready) { t.Error("a second server on the same data is ready") })
		if fn.KindOf(err) != fn.Conflict {
			t.Errorf("a second server on the same data: %v, want a conflict", err)
		}
		if status, _ := fetch(t, ready.URL+"/healthz"); status != http.StatusOK {
			t.Errorf("after a second one was refused: %d", status)
		}

		stop(errors.New("test is over"))
		if err := <-ended; err != nil {
			t.Errorf("Up ended with %v", err)
		}
		if c, err := net.Dial("tcp", ready.URL[len("http://"):]); err == nil {
			_ = c.Close()
			t.Error("it still listens")
		}
	}
}

// check looks at a server that is up with nothing deployed.
func check(t *testing.T, ready cli.Ready, cfg conf.Config) {
	t.Helper()
	if status, body := fetch(t, ready.URL+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := fetch(t, ready.URL+"/function/nothing"); status != http.StatusNotFound {
		t.Errorf("/function/nothing: %d %s", status, body)
	}
	if status, body := fetch(t, ready.URL+"/v1/functions"); status != http.StatusUnauthorized {
		t.Errorf("/v1/functions without a password: %d %s", status, body)
	}
	info, err := os.Stat(filepath.Join(cfg.Data, "admin-password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin-password: %v, %v", info, err)
	}
}

func TestServerThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*conf.Config)
		kind   fn.Kind
		made   bool // the data folder may be there afterwards
	}{
		"address in use":    {func(c *conf.Config) { c.Listen = taken.Addr().String() }, fn.Unavailable, false},
		"no address":        {func(c *conf.Config) { c.Listen = "nowhere" }, fn.Unavailable, false},
		"log level":         {func(c *conf.Config) { c.Log.Level = "loud" }, fn.Invalid, false},
		"not a data folder": {func(c *conf.Config) { c.Data = full }, fn.Invalid, true},
		"builder secret":    {func(c *conf.Config) { c.OpenFaaS.BuilderSecret = filepath.Join(full, "nowhere") }, fn.Invalid, true},
		"a short secret":    {func(c *conf.Config) { c.OpenFaaS.BuilderSecret = filepath.Join(full, "letter.txt") }, fn.Invalid, true},
		"engine subnet":     {func(c *conf.Config) { c.Engine.Subnet = "here" }, fn.Invalid, true},
		"engine denied":     {func(c *conf.Config) { c.Engine.Denied = []string{"10.0.0.0/8", "there"} }, fn.Invalid, true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			c.change(&cfg)
			err := newServer(t).Up(t.Context(), cfg, func(cli.Ready) { t.Error("ready") })
			if fn.KindOf(err) != c.kind || err == nil {
				t.Errorf("Up = %v, of kind %s, want %s", err, fn.KindOf(err), c.kind)
			}
			if _, err := os.Stat(cfg.Data); err == nil && !c.made {
				t.Error("the data folder was made")
			}
			if d, err := os.ReadDir(full); err != nil || len(d) != 1 {
				t.Errorf("the folder that is not ours: %v, %v", d, err)
			}
			if cfg.Data == full {
				return
			}
			if dir, err := datadir.Open(cfg.Data); err != nil { // its lock was given back
				t.Error(err)
			} else if err := dir.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

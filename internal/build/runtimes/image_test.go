package runtimes

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

const ofPython = `Dockerfile=FROM --platform=linux/amd64 ghcr.io/openfaas/of-watchdog:0.11.6 AS watchdog
FROM python:3.12-alpine AS build
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
WORKDIR /home/app/
ENV PATH=$PATH:/home/app/.local/bin PYTHONPATH=/home/app/python
FROM build AS ship
ENV fprocess="python /home/app/index.py --home=/home/app/x /home/application"
ENV mode="http" upstream_url="http://127.0.0.1:5000"
CMD ["fwatchdog"]
`

const ofClassic = `Dockerfile=FROM openfaas/classic-watchdog:0.3 AS watchdog
FROM alpine
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
ENV fprocess=cat
CMD ["fwatchdog"]
`

func TestAnOpenFaaSContextIsRunByTheWatchdogItCopies(t *testing.T) {
	bin := host(t, "python3", "pip3", "node", "npm", "go", "bash")
	s := builtin(t, bin)
	for name, c := range map[string]struct {
		spec  fn.Spec
		files []string
		mode  fn.Mode
		env   map[string]string
		steps []string
		put   []string
	}{
		"python in the manner of python3-http": {
			fn.Spec{Runtime: "openfaas"}, []string{ofPython, "index.py", "requirements.txt=flask", "function/handler.py", "function/requirements.txt=# none\n"},
			fn.ModeWatchdog, map[string]string{
				"fprocess": "python /function/index.py --home=/function/x /home/application",
				"mode":     "http", "upstream_url": "http://127.0.0.1:5000", "PYTHONPATH": "/function:/function/.rouse/deps:/function/python",
			}, []string{"dependencies"}, []string{".rouse/bin"},
		},
		"packages of the handler": {
			fn.Spec{Runtime: "openfaas"}, []string{ofPython, "index.py", "function/handler.py", "function/requirements.txt=# two\npytz\n"},
			fn.ModeWatchdog, nil, []string{"dependencies of the handler"}, []string{".rouse/bin"},
		},
		"a classic watchdog": {fn.Spec{Runtime: "openfaas"}, []string{ofClassic}, fn.ModeClassic, map[string]string{"fprocess": "cat"}, nil, nil},
		"the spec's mode wins": {
			fn.Spec{Runtime: "openfaas", Mode: fn.ModeWatchdog}, []string{ofClassic}, fn.ModeWatchdog, map[string]string{"fprocess": "cat"}, nil, nil,
		},
		"no Dockerfile": {fn.Spec{Runtime: "openfaas", Mode: fn.ModeClassic}, []string{"x.sh"}, fn.ModeClassic, nil, nil, nil},
		"node in two folders": {
			fn.Spec{Runtime: "openfaas"}, []string{"index.js", "package.json", "function/package.json", "function/package-lock.json"},
			fn.ModeWatchdog, nil, []string{"dependencies", "dependencies of the handler"}, nil,
		},
		"go with a handler of its own module": {
			fn.Spec{Runtime: "openfaas"}, []string{"main.go=package main\n\nimport function \"handler/function\"\n", "function/go.mod", "function/handler.go"},
			fn.ModeWatchdog, nil, []string{"handler's module", "workspace", "compile"}, []string{"go.mod"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := s.Resolve(c.spec, files(c.files...))
			if err != nil {
				t.Fatal(err)
			}
			flag := map[fn.Mode]string{fn.ModeWatchdog: "--of", fn.ModeClassic: "--classic"}[c.mode]
			if d := cmp.Diff([]string{"/rouse/rouse", "watchdog", flag}, p.Program.Command); d != "" || p.Mode != c.mode || p.Program.Listen != fn.ListenSocket {
				t.Errorf("mode %s, listen %s: %s", p.Mode, p.Program.Listen, d)
			}
			for k, v := range c.env {
				if p.Program.Env[k] != v {
					t.Errorf("%s=%q, want %q", k, p.Program.Env[k], v)
				}
			}
			if path := p.Program.Env["PATH"]; !strings.HasPrefix(path, "/function/.rouse/bin:") || strings.Contains(path, "local/bin:/home") {
				t.Errorf("PATH=%q", path)
			}
			var steps, put []string
			for _, st := range p.Steps {
				steps = append(steps, st.Name)
			}
			for _, f := range p.Files {
				put = append(put, f.To)
			}
			if d := cmp.Diff(c.steps, steps) + cmp.Diff(c.put, put); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAnOpenFaaSContextWithMistakesIsRefused(t *testing.T) {
	s := builtin(t, host(t))
	for want, c := range map[string]struct {
		spec  fn.Spec
		files []string
	}{
		"comes before FROM":             {fn.Spec{Runtime: "openfaas"}, []string{"Dockerfile=ENV a=b\n"}},
		"the variable fprocess says":    {fn.Spec{Runtime: "openfaas", Mode: fn.ModeClassic, Command: []string{"cat"}}, []string{ofClassic}},
		"has watchdog, classic, server": {fn.Spec{Runtime: "openfaas", Mode: fn.ModeFork}, []string{ofClassic}},
		"install the package python3":   {fn.Spec{Runtime: "openfaas"}, []string{ofPython, "index.py"}},
		"install the package golang-go": {fn.Spec{Runtime: "openfaas"}, []string{"main.go=package main\n"}},
	} {
		if _, err := s.Resolve(c.spec, files(c.files...)); !errors.Is(err, fn.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAnImageWithoutAWatchdogServesByItself(t *testing.T) {
	bin := host(t, "python3", "node", "go")
	s := builtin(t, bin)
	for name, c := range map[string]struct {
		docker string
		more   []string
		spec   fn.Spec
		want   []string
	}{
		"a program of the host":    {"CMD [\"node\", \"/home/app/server.js\"]", []string{"server.js"}, fn.Spec{}, []string{bin + "/node", "/function/server.js"}},
		"one the runtime brings":   {"ENTRYPOINT [\"python\"]\nCMD [\"-m\", \"x\"]", []string{"x.py"}, fn.Spec{}, []string{"/function/.rouse/bin/python", "-m", "x"}},
		"what is compiled":         {"WORKDIR /srv\nCMD [\"/srv/handler\"]", []string{"main.go=package main"}, fn.Spec{}, []string{"/function/handler"}},
		"the function's own words": {"CMD node", []string{"a.js"}, fn.Spec{Command: []string{"node", "a.js"}}, []string{bin + "/node", "a.js"}},
	} {
		c.spec.Runtime = "openfaas"
		p, err := s.Resolve(c.spec, files(append(c.more, "Dockerfile=FROM x\n"+c.docker+"\n")...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.want, p.Program.Command); d != "" || p.Mode != fn.ModeServer || p.Program.Listen != fn.ListenPort {
			t.Errorf("%s: mode %s, listen %s: %s", name, p.Mode, p.Program.Listen, d)
		}
	}
}

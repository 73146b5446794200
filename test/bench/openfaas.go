package main

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// chain is what OpenFaaS's own chain (gateway, provider, of-watchdog, the same
// kind of handler) reached of its bare handler's throughput, by connections,
// and the processor time of its gateway, provider and watchdog a call. It was
// measured elsewhere, so only ratios compare.
var chain = map[int]struct {
	ratio float64
	cpu   time.Duration
}{
	1:   {0.078, 1110 * time.Microsecond},
	32:  {0.065, 730 * time.Microsecond},
	128: {0.081, 730 * time.Microsecond},
}

// contextGo is the program of a template: it serves the handler on a port.
const contextGo = `package main

import (
	"log"
	"net/http"

	function "handler/function"
)

func main() {
	http.HandleFunc("/", function.Handle)
	log.Fatal(http.ListenAndServe(":8082", nil))
}
`

const contextDockerfile = `FROM ghcr.io/openfaas/of-watchdog:0.11.6 AS watchdog
FROM golang:1.25-alpine AS build
COPY . .
FROM alpine:3.22
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
WORKDIR /home/app
ENV fprocess="./handler"
ENV mode="http"
ENV upstream_url="http://127.0.0.1:8082"
CMD ["./fwatchdog"]
`

// buildContext is what faas-cli makes of a Go template and the handler of the
// warm calls.
func buildContext() map[string]string {
	return map[string]string{
		"Dockerfile":          contextDockerfile,
		"go.mod":              "module handler\n\ngo 1.22\n\nreplace handler/function => ./function\n\nrequire handler/function v0.0.0-00010101000000-000000000000\n",
		"main.go":             contextGo,
		"function/go.mod":     "module handler/function\n\ngo 1.22\n",
		"function/handler.go": handlerGo,
	}
}

// openfaas measures what a template pays that is deployed unchanged: the server,
// the watchdog, the template's own server, beside Rouse's own shim.
func openfaas(ctx context.Context, h *host, o options) error {
	fmt.Printf("\n== an unchanged template: wrk, %d alternations of %v\n", o.rounds, o.period)
	direct, stop, err := h.direct(ctx)
	if err != nil {
		return err
	}
	defer stop()
	urls := []struct{ name, url string }{
		{"direct", direct}, {"own shim", h.server.url + "/function/hello"},
		{"watchdog", h.server.url + "/function/quiet.openfaas-fn"}, {"… with log", h.server.url + "/function/logged.openfaas-fn"},
	}
	if err := h.deployContexts(ctx); err != nil {
		return err
	}
	server := h.server.cmd.Process.Pid
	for _, conns := range []int{1, 32, 128} {
		var sides []*side
		for _, u := range urls {
			sides = append(sides, &side{name: u.name, url: u.url, pids: func() []int { return []int{server} }, behind: func() []int { return descendants(server) }})
		}
		for round := range o.rounds + 1 { // the first one warms up
			for _, s := range sides {
				if err := s.load(ctx, conns, o.period, round > 0); err != nil {
					return err
				}
			}
		}
		reportChain(conns, sides)
	}
	return h.forks(ctx, o)
}

func (h *host) deployContexts(ctx context.Context) error {
	if err := h.rouse(ctx, "deploy", h.dir+"/hello"); err != nil {
		return err
	}
	for name, logs := range map[string]string{"quiet": "false", "logged": "true"} {
		files := maps.Clone(buildContext())
		files["rouse.yaml"] = fmt.Sprintf("name: %s\nruntime: openfaas\nenv: {log_requests: %q}\nscale: {max: 1, concurrency: 1000}\nlimits: {cpu: 2}\n", name, logs)
		dir, err := h.write(name, files)
		if err != nil {
			return err
		}
		if err := h.rouse(ctx, "deploy", dir); err != nil {
			return err
		}
	}
	return nil
}

func reportChain(conns int, sides []*side) {
	direct, was := sides[0], chain[conns]
	fmt.Printf("%3d connections  %12s %10s %10s %12s %16s %9s %7s\n", conns, "calls/s", "p50", "p99", "CPU server", "CPU in sandbox", "÷ direct", "errors")
	for _, s := range sides {
		server, behind := "–", "–"
		if s != direct {
			server, behind = fmt.Sprintf("%.0f µs", median(s.cpu)), fmt.Sprintf("%.0f µs", median(s.cpuBehind))
		}
		fmt.Printf("  %-14s %12.0f %10s %10s %12s %16s %9.3f %7d\n", s.name, median(s.rate), us(median(s.p50)), us(median(s.p99)), server, behind,
			median(ratios(s.rate, direct.rate)), s.errors)
	}
	fmt.Printf("  original chain, measured elsewhere: ÷ direct %.3f; CPU of its three hops %s\n", was.ratio, us(was.cpu))
}

// forks measures programs that run once for each call, through the whole
// server.
func (h *host) forks(ctx context.Context, o options) error {
	programs, err := h.forkPrograms(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("a program for each call, through the server: one connection, %d calls\n", o.rounds*200)
	for name, program := range map[string]string{"cat": "cat", "go": "./echo"} {
		files := map[string]string{"Dockerfile": "FROM ghcr.io/openfaas/classic-watchdog:0.3.9 AS watchdog\nFROM alpine\nCOPY --from=watchdog /fwatchdog /usr/bin/fwatchdog\nENV fprocess=\"" +
			program + "\"\nCMD [\"fwatchdog\"]\n", "rouse.yaml": "name: fork-" + name + "\nruntime: openfaas\nscale: {max: 1}\n"}
		if err := h.deployFork(ctx, name, programs[name], files); err != nil {
			return err
		}
		s := &forkSide{call: h.poster("/function/fork-" + name + ".openfaas-fn")}
		for round := range o.rounds + 1 {
			if err := s.run(200, round > 0); err != nil {
				return err
			}
		}
		p50 := median(s.took)
		fmt.Printf("  classic, %-5s p50 %s  p99 %s   aim ≤ %v: %s\n", name, ms(p50), ms(quantile(s.took, 0.99)), forkAims[name], verdict(p50 <= forkAims[name]))
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rouse.dev/rouse/client"
)

// coldCase is one language: its function, and the bare program that is the
// floor under its cold start.
type coldCase struct {
	name  string
	files map[string]string
	bare  []string // nil: no floor
	aim   time.Duration
}

func coldCases() []coldCase {
	return []coldCase{
		{"go", map[string]string{
			"go.mod": "module coldgo\n\ngo 1.26\n", "handler.go": handlerGo,
		}, nil, 15 * time.Millisecond},
		{"python", map[string]string{
			"handler.py": "def handle(event, context):\n    return 'hello\\n'\n",
		}, []string{"/usr/bin/python3", "-c", "pass"}, 60 * time.Millisecond},
		{"node", map[string]string{
			"handler.js": "export async function handle(event, context) {\n  return 'hello\\n';\n}\n", "package.json": `{"type": "module"}` + "\n",
		}, []string{"node", "-e", "0"}, 170 * time.Millisecond},
		{"ruby", map[string]string{
			"handler.rb": "def handle(event, context)\n  \"hello\\n\"\nend\n",
		}, []string{"ruby", "-e", "0"}, 0},
		{"bash", map[string]string{"handler.sh": "#!/usr/bin/env bash\necho hello\n"}, []string{"bash", "-c", ":"}, 0},
	}
}

// cold measures first calls at zero, beside the bare interpreter, and calls
// to frozen instances.
func cold(ctx context.Context, h *host, o options) error {
	fmt.Printf("\n== cold start to first byte: %d calls each at zero, the bare interpreter in turn\n", o.colds)
	fmt.Printf("  %-10s %10s %10s %12s %12s   %s\n", "", "p50", "p99", "bare p50", "÷ bare", "aim for p50")
	c, err := h.client()
	if err != nil {
		return err
	}
	for _, cc := range coldCases() {
		if len(cc.bare) > 0 {
			if _, err := exec.LookPath(cc.bare[0]); err != nil {
				fmt.Printf("  %-10s left out: %v\n", cc.name, err)
				continue
			}
		}
		cc.files["rouse.yaml"] = fmt.Sprintf("name: cold-%s\nruntime: %s\nscale: {freeze: never}\n", cc.name, cc.name)
		dir, err := h.write("cold-"+cc.name, cc.files)
		if err != nil {
			return err
		}
		if err := h.rouse(ctx, "deploy", dir); err != nil {
			return err
		}
		if err := coldCalls(ctx, h, c, cc, o.colds); err != nil {
			return fmt.Errorf("%s: %w", cc.name, err)
		}
	}
	return thaw(ctx, h, o)
}

func coldCalls(ctx context.Context, h *host, c *client.Client, cc coldCase, n int) error {
	var took, bare []time.Duration
	name := "cold-" + cc.name
	for i := range n + 3 {
		if err := toZero(ctx, c, name); err != nil {
			return err
		}
		d, err := get(h.server.url + "/function/" + name)
		if err != nil {
			return err
		}
		var floor time.Duration
		if cc.bare != nil {
			began := time.Now()
			if err := exec.CommandContext(ctx, cc.bare[0], cc.bare[1:]...).Run(); err != nil {
				return err
			}
			floor = time.Since(began)
		}
		if i >= 3 { // the first ones fill the page cache
			took, bare = append(took, d), append(bare, floor)
		}
	}
	floor, ratio, aim := "–", "–", "none"
	if cc.bare != nil {
		floor, ratio = ms(median(bare)), fmt.Sprintf("%.2f", float64(median(took))/float64(median(bare)))
	}
	if cc.aim > 0 {
		aim = fmt.Sprintf("≤ %v: %s", cc.aim, verdict(median(took) <= cc.aim))
	}
	fmt.Printf("  %-10s %10s %10s %12s %12s   %s\n", cc.name, ms(median(took)), ms(quantile(took, 0.99)), floor, ratio, aim)
	return nil
}

// toZero takes a function's instances away and waits until they are gone.
func toZero(ctx context.Context, c *client.Client, name string) error {
	zero := 0
	if _, err := c.Scale(ctx, client.Ref{Namespace: "default", Name: name}, &zero); err != nil {
		return err
	}
	for range 4000 {
		f, err := c.Function(ctx, client.Ref{Namespace: "default", Name: name})
		if err != nil {
			return err
		}
		if f.Status.Replicas.Total() == 0 {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("%s does not get to zero", name)
}

// client is a client of the server's management API.
func (h *host) client() (*client.Client, error) {
	b, err := os.ReadFile(filepath.Join(h.server.data, "admin-password"))
	if err != nil {
		return nil, err
	}
	return client.New(h.server.url, client.WithPassword("admin", strings.TrimSpace(string(b))))
}

// thaw measures calls to a frozen instance against calls to a ready one.
func thaw(ctx context.Context, h *host, o options) error {
	dir, err := h.write("thaw", map[string]string{
		"rouse.yaml": "name: thaw\nruntime: go\nscale: {freeze: 10ms, max: 1}\n",
		"go.mod":     "module thaw\n\ngo 1.26\n", "handler.go": handlerGo,
	})
	if err != nil {
		return err
	}
	if err := h.rouse(ctx, "deploy", dir); err != nil {
		return err
	}
	c, err := h.client()
	if err != nil {
		return err
	}
	url := h.server.url + "/function/thaw"
	var frozen, warm []time.Duration
	for range o.colds {
		if err := untilFrozen(ctx, c, "thaw"); err != nil {
			return err
		}
		d, err := get(url)
		if err != nil {
			return err
		}
		w, err := get(url)
		if err != nil {
			return err
		}
		frozen, warm = append(frozen, d), append(warm, w)
	}
	extra := median(frozen) - median(warm)
	fmt.Printf("  %-10s %10s %10s   warm p50 %s, thaw alone %s, aim ≤ 2 ms: %s\n", "thaw", ms(median(frozen)), ms(quantile(frozen, 0.99)),
		ms(median(warm)), ms(extra), verdict(extra <= 2*time.Millisecond))
	return nil
}

func untilFrozen(ctx context.Context, c *client.Client, name string) error {
	for range 4000 {
		f, err := c.Function(ctx, client.Ref{Namespace: "default", Name: name})
		if err != nil {
			return err
		}
		if f.Status.Replicas.Frozen == 1 {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("%s is never frozen", name)
}

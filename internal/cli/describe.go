package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
)

// description is a function with what runs of it.
type description struct {
	api.Function
	Instances []api.Instance `json:"instances"`
}

func (c *cli) describeCommand() *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:               "describe NAME",
		Short:             "Show a function, its settings and its instances",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeFunctions,
		RunE: c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			f, err := cl.Function(cmd.Context(), ref)
			if err != nil {
				return err
			}
			running, err := cl.Instances(cmd.Context(), ref)
			if err != nil {
				return err
			}
			return c.print(description{f, running}, func() string { return c.describe(f, running) })
		}),
	}
	c.namespaceFlag(cmd, &namespace)
	return cmd
}

func (c *cli) describe(f api.Function, running []api.Instance) string {
	s := f.Spec
	scaled := "by the autoscaler"
	if f.Replicas != nil {
		scaled = fmt.Sprintf("fixed at %d until the next deploy", *f.Replicas)
	}
	rows := [][]string{
		{"name", f.Name}, {"namespace", f.Namespace}, {"url", f.Status.URL},
		{"state", c.look.state(f.Status.State)}, {"instances", instances(f.Status.Replicas) + ", " + scaled},
		{"revision", fmt.Sprintf("%s (latest %d)", traffic(f.Traffic), f.Latest)},
		{"runtime", strings.TrimSpace(s.Runtime + " " + s.Mode)}, {"image", s.Image}, {"handler", s.Handler}, {"command", strings.Join(s.Command, " ")},
		{"limits", fmt.Sprintf("memory %s, cpu %s, pids %d, tmp %s, timeout %s, start %s",
			s.Limits.Memory, s.Limits.CPU, s.Limits.Pids, s.Limits.Tmp, s.Limits.Timeout, s.Limits.Start)},
		{"scale", fmt.Sprintf("%d to %d, %d calls at once each, queue %d, %s, remove after %s%s",
			s.Scale.Min, s.Scale.Max, s.Scale.Concurrency, s.Scale.Queue, freezing(s.Scale.Freeze), s.Scale.Idle, goals(s.Scale))},
		{"network", s.Network}, {"env", pairs(s.Env)}, {"secrets", strings.Join(s.Secrets, ", ")}, {"labels", pairs(f.Labels)}, {"annotations", pairs(notes(f.Annotations))},
		{"created", c.ago(f.Created) + " ago"}, {"updated", c.ago(f.Updated) + " ago"},
	}
	var b strings.Builder
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(&b, "%s  %s\n", c.look.faint.Render(fmt.Sprintf("%-11s", row[0])), row[1])
		}
	}
	if e := f.Status.LastError; e != nil {
		b.WriteByte('\n')
		printError(&b, c.look, e, nil)
	}
	if len(running) > 0 {
		b.WriteString("\n" + c.instanceTable(running))
	}
	return b.String()
}

func (c *cli) instanceTable(running []api.Instance) string {
	var rows [][]string
	for _, in := range running {
		rows = append(rows, []string{
			in.ID, fmt.Sprint(in.Revision), c.look.state(in.State), fmt.Sprint(in.InFlight), fmt.Sprint(in.Calls),
			roughly(in.Memory), in.CPU, c.ago(in.Started),
		})
	}
	return c.tabulate([]string{"INSTANCE", "REVISION", "STATE", "IN FLIGHT", "CALLS", "MEMORY", "CPU", "AGE"}, rows)
}

// goals says what a function scales by, besides what every function does.
func goals(s api.Scale) string {
	var out string
	if s.Metric != "" {
		out += fmt.Sprintf(", %v %s each", s.Goal, s.Metric)
	}
	if s.Activation > 0 {
		out += fmt.Sprintf(", at least %d in use", s.Activation)
	}
	if s.Window != "" {
		out += ", down within " + s.Window
	}
	return out
}

// notes are the annotations that somebody gave: not what the platform keeps
// there for the clients of OpenFaaS.
func notes(annotations map[string]string) map[string]string {
	out := maps.Clone(annotations)
	maps.DeleteFunc(out, func(name, _ string) bool { return strings.HasPrefix(name, deployment.Kept) })
	return out
}

func freezing(after string) string {
	if after == "never" {
		return "never freeze"
	}
	return "freeze after " + after
}

// pairs writes "a=b, c=d" in order.
func pairs(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+printable(m[k]))
	}
	return strings.Join(out, ", ")
}

// roughly writes a size with three digits: "12.5Mi".
func roughly(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%dB", n)
	}
	v, units := float64(n), "KMGT"
	for i := range units {
		if v /= 1024; v < 1024 || i == len(units)-1 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + string(units[i]) + "i"
		}
	}
	return ""
}

func (c *cli) revisionsCommand() *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:               "revisions NAME",
		Short:             "List the revisions of a function",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeFunctions,
		RunE: c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			list, err := cl.Revisions(cmd.Context(), ref)
			if err != nil {
				return err
			}
			return c.print(list, func() string {
				var rows [][]string
				for _, r := range list {
					rows = append(rows, []string{
						fmt.Sprint(r.Number), fmt.Sprintf("%d%%", r.Weight), instances(r.Replicas), r.Spec.Runtime,
						roughly(r.Size), short(r.Digest), c.ago(r.Created),
					})
				}
				return c.tabulate([]string{"REVISION", "TRAFFIC", "INSTANCES", "RUNTIME", "SIZE", "DIGEST", "AGE"}, rows)
			})
		}),
	}
	c.namespaceFlag(cmd, &namespace)
	return cmd
}

// short is enough of a digest for a person.
func short(digest string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	return digest[:min(12, len(digest))]
}

// clock is how the time of a log line is written.
func (c *cli) clock(t time.Time) string { return t.In(c.Zone).Format("2006-01-02 15:04:05.000") }

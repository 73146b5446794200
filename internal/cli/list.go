package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func (c *cli) listCommand() *cobra.Command {
	var o client.ListOptions
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List functions",
		Example: "  rouse list\n  rouse list -n team-a -l tier=web -o json",
		Args:    cobra.NoArgs,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
			functions, err := cl.Functions(cmd.Context(), o)
			if err != nil {
				return err
			}
			if len(functions) == 0 && c.output == "table" {
				c.note("no functions; make one with: rouse new NAME --lang python")
				return nil
			}
			return c.print(functions, func() string { return c.functionTable(functions) })
		}),
	}
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", "only functions of this namespace")
	cmd.Flags().StringToStringVarP(&o.Labels, "labels", "l", nil, "only functions with all these labels: a=b,c=d")
	_ = cmd.RegisterFlagCompletionFunc("namespace", c.completeNamespaces) // fails only for a flag that is not there
	return cmd
}

func (c *cli) functionTable(functions []api.Function) string {
	var rows [][]string
	for _, f := range functions {
		rows = append(rows, []string{
			f.Namespace, f.Name, f.Spec.Runtime, traffic(f.Traffic), c.look.state(f.Status.State),
			instances(f.Status.Replicas), c.ago(f.Updated), f.Status.URL,
		})
	}
	return c.tabulate([]string{"NAMESPACE", "NAME", "RUNTIME", "REVISION", "STATE", "INSTANCES", "UPDATED", "URL"}, rows)
}

// traffic writes which revisions serve: "3", or "3 90% + 4 10%".
func traffic(targets []api.Target) string {
	var parts []string
	for _, t := range targets {
		if t.Weight == 100 {
			return fmt.Sprint(t.Revision)
		}
		parts = append(parts, fmt.Sprintf("%d %d%%", t.Revision, t.Weight))
	}
	return orDash(strings.Join(parts, " + "))
}

// instances writes how many there are, and in which state where that is not
// plain: "0", "3", "4 (1 frozen)".
func instances(r api.Replicas) string {
	var notes []string
	for _, n := range []struct {
		count int
		word  string
	}{{r.Starting, "starting"}, {r.Busy, "busy"}, {r.Frozen, "frozen"}, {r.Draining, "draining"}} {
		if n.count > 0 {
			notes = append(notes, fmt.Sprintf("%d %s", n.count, n.word))
		}
	}
	if notes == nil {
		return fmt.Sprint(r.Total())
	}
	return fmt.Sprintf("%d (%s)", r.Total(), strings.Join(notes, ", "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

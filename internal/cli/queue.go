package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

func (c *cli) queueCommand() *cobra.Command {
	var namespace string
	list := func(cmd *cobra.Command, cl *client.Client, _ []string) error {
		return c.listQueue(cmd.Context(), cl, namespace)
	}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "See what waits of asynchronous calls, and bring back what failed",
		Args:  cobra.NoArgs,
		RunE:  c.onServer(list),
	}
	listing := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Count what waits, runs and was put aside, by function",
		Args: cobra.NoArgs, RunE: c.onServer(list),
	}
	for _, lists := range []*cobra.Command{cmd, listing} {
		lists.Flags().StringVarP(&namespace, "namespace", "n", "", "only functions of this namespace")
		_ = lists.RegisterFlagCompletionFunc("namespace", c.completeNamespaces) // fails only for a flag that is not there
	}
	cmd.AddCommand(listing, c.queueDeadCommand(), c.queueRedriveCommand(), c.queuePurgeCommand())
	return cmd
}

// listQueue counts the calls of all namespaces, or of one.
func (c *cli) listQueue(ctx context.Context, cl *client.Client, namespace string) error {
	streams, err := cl.Queue(ctx)
	if err != nil {
		return err
	}
	if namespace != "" {
		streams = slices.DeleteFunc(streams, func(s api.QueueStream) bool { return s.Namespace != namespace })
	}
	if len(streams) == 0 && c.output == "table" {
		c.note("nothing waits; call a function without waiting at /async-function/NAME")
		return nil
	}
	return c.print(streams, func() string { return c.queueTable(streams) })
}

func (c *cli) queueTable(streams []api.QueueStream) string {
	var rows [][]string
	for _, s := range streams {
		name, oldest := s.Queue, "-"
		if s.Kind == "callbacks" {
			name = "(callbacks)"
		}
		if s.Oldest != nil {
			oldest = c.ago(*s.Oldest)
		}
		rows = append(rows, []string{
			s.Namespace, s.Function, name, fmt.Sprint(s.Waiting), fmt.Sprint(s.Delayed), fmt.Sprint(s.Running),
			fmt.Sprint(s.Dead), oldest, fn.FormatBytes(s.Bytes),
		})
	}
	return c.tabulate([]string{"NAMESPACE", "FUNCTION", "QUEUE", "WAITING", "DELAYED", "RUNNING", "DEAD", "OLDEST", "SIZE"}, rows)
}

func (c *cli) queueDeadCommand() *cobra.Command {
	var namespace string
	limit := 100
	cmd := &cobra.Command{
		Use:               "dead NAME [ID]",
		Short:             "List the calls of a function that were given up, or show one",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: c.completeDead,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			if len(args) == 2 {
				return c.showDead(cmd, cl, ref, args[1])
			}
			letters, err := cl.DeadLetters(cmd.Context(), ref, limit)
			if err != nil {
				return err
			}
			if len(letters) == 0 && c.output == "table" {
				c.note("no dead letters of %s", full(ref))
				return nil
			}
			return c.print(letters, func() string { return c.deadTable(letters) })
		})(cmd, args)
	}
	c.namespaceFlag(cmd, &namespace)
	cmd.Flags().IntVar(&limit, "limit", limit, "at most this many, the oldest first")
	return cmd
}

func (c *cli) deadTable(letters []api.DeadLetter) string {
	var rows [][]string
	for _, l := range letters {
		reason, _, _ := strings.Cut(l.Reason, "\n")
		rows = append(rows, []string{l.ID, l.Kind, fmt.Sprint(l.Attempts), c.ago(l.Published), orDash(printable(reason))})
	}
	return c.tabulate([]string{"ID", "KIND", "ATTEMPTS", "AGE", "REASON"}, rows)
}

// showDead prints all that is known of one letter.
func (c *cli) showDead(cmd *cobra.Command, cl *client.Client, ref client.Ref, id string) error {
	const most = 1000
	letters, err := cl.DeadLetters(cmd.Context(), ref, most)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if l.ID == id {
			return c.print(l, func() string { return deadText(l) })
		}
	}
	return fn.WithHint(fn.Errorf(fn.NotFound, "%s has no dead letter %s", full(ref), id), "rouse queue dead %s lists them", full(ref))
}

func deadText(l api.DeadLetter) string {
	var b strings.Builder
	for _, row := range [][2]string{
		{"ID", l.ID}, {"Kind", l.Kind}, {"Queue", orDash(l.Queue)}, {"Path", orDash(printable(l.Path))}, {"Size", fn.FormatBytes(int64(l.Size))},
		{"Attempts", fmt.Sprint(l.Attempts)}, {"Accepted", l.Published.Format(time.RFC3339)},
	} {
		fmt.Fprintf(&b, "%-10s %s\n", row[0]+":", row[1])
	}
	b.WriteString("Reason:\n")
	for line := range strings.Lines(l.Reason) {
		b.WriteString("  " + printable(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

func (c *cli) queueRedriveCommand() *cobra.Command {
	var namespace string
	var all bool
	cmd := &cobra.Command{
		Use:               "redrive NAME --all | NAME ID…",
		Short:             "Send dead letters of a function on their way once more",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeDead,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if all == (len(args) > 1) {
			return usage(fmt.Errorf("name the dead letters, or say --all"))
		}
		return c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			n, err := cl.Redrive(cmd.Context(), ref, args[1:]...)
			if err != nil {
				return err
			}
			return c.print(api.QueueChange{Count: n}, func() string { return count(n, "dead letter") + " on the way\n" })
		})(cmd, args)
	}
	c.namespaceFlag(cmd, &namespace)
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters of the function")
	return cmd
}

func (c *cli) queuePurgeCommand() *cobra.Command {
	var namespace string
	var all, waiting bool
	cmd := &cobra.Command{
		Use:               "purge NAME [ID…]",
		Short:             "Remove dead letters of a function, or all that waits",
		Example:           "  rouse queue purge resize\n  rouse queue purge resize --waiting\n  rouse queue purge resize --all",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeDead,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			what := api.PurgeRequest{State: "dead", IDs: args[1:]}
			switch {
			case all:
				what.State = "all"
			case waiting:
				what.State = "waiting"
			}
			n, err := cl.Purge(cmd.Context(), ref, what)
			if err != nil {
				return err
			}
			return c.print(api.QueueChange{Count: n}, func() string { return count(n, "message") + " removed\n" })
		})(cmd, args)
	}
	c.namespaceFlag(cmd, &namespace)
	cmd.Flags().BoolVar(&waiting, "waiting", false, "calls that wait instead of dead letters")
	cmd.Flags().BoolVar(&all, "all", false, "calls that wait, run, or were put aside")
	cmd.MarkFlagsMutuallyExclusive("waiting", "all")
	return cmd
}

func (c *cli) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel CALL-ID",
		Short: "Drop an asynchronous call that waits, or end one that runs",
		Args:  cobra.ExactArgs(1),
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			if err := cl.Cancel(cmd.Context(), args[0]); err != nil {
				return err
			}
			c.note("call %s is cancelled", args[0])
			return nil
		}),
	}
}

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func (c *cli) scaleCommand() *cobra.Command {
	var namespace string
	var replicas int
	var auto bool
	cmd := &cobra.Command{
		Use:               "scale NAME (--replicas N | --auto)",
		Short:             "Set the number of instances, or hand it to the autoscaler",
		Example:           "  rouse scale hello --replicas 3\n  rouse scale hello --replicas 0\n  rouse scale hello --auto",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeFunctions,
		RunE: c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			wanted := &replicas
			if auto {
				wanted = nil
			}
			var f api.Function
			err := c.during("scaling "+full(ref), func() (err error) {
				f, err = cl.Scale(cmd.Context(), ref, wanted)
				return err
			})
			if err != nil {
				return err
			}
			return c.printFunction(f, "instances "+instances(f.Status.Replicas))
		}),
	}
	c.namespaceFlag(cmd, &namespace)
	cmd.Flags().IntVar(&replicas, "replicas", 0, "number of instances, until the next deploy")
	cmd.Flags().BoolVar(&auto, "auto", false, "let the autoscaler decide again")
	cmd.MarkFlagsMutuallyExclusive("replicas", "auto")
	cmd.MarkFlagsOneRequired("replicas", "auto")
	return cmd
}

// printFunction prints a function that was changed; what says how in a line.
func (c *cli) printFunction(f api.Function, what string) error {
	return c.print(f, func() string {
		return fmt.Sprintf("%s: %s, %s\n", full(client.Ref{Namespace: f.Namespace, Name: f.Name}), what, c.look.state(f.Status.State))
	})
}

func (c *cli) rollbackCommand() *cobra.Command {
	var namespace string
	var to int
	cmd := &cobra.Command{
		Use:               "rollback NAME",
		Short:             "Serve an earlier revision again",
		Example:           "  rouse rollback hello\n  rouse rollback hello --to 3",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeFunctions,
		RunE: c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			var f api.Function
			err := c.during("rolling back "+full(ref), func() (err error) {
				f, err = cl.Rollback(cmd.Context(), ref, to)
				return err
			})
			if err != nil {
				return err
			}
			return c.printFunction(f, "revision "+traffic(f.Traffic))
		}),
	}
	c.namespaceFlag(cmd, &namespace)
	cmd.Flags().IntVar(&to, "to", 0, "number of the revision (default: the one before the present one)")
	return cmd
}

func (c *cli) removeCommand() *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:               "remove NAME...",
		Aliases:           []string{"rm", "delete"},
		Short:             "Remove functions with all their revisions",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeMoreFunctions,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		refs := make([]client.Ref, 0, len(args)) // all names are looked at before any goes
		for _, arg := range args {
			ref, err := parseRef(arg, namespace)
			if err != nil {
				return err
			}
			refs = append(refs, ref)
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		defer cl.Close()
		for _, ref := range refs {
			if err := c.during("removing "+full(ref), func() error { return cl.Remove(cmd.Context(), ref) }); err != nil {
				return err
			}
			c.note("%s is removed", full(ref))
		}
		return nil
	}
	c.namespaceFlag(cmd, &namespace)
	return cmd
}

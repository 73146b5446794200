package cli

import (
	"context"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func (c *cli) namespaceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "namespace",
		Aliases: []string{"ns"},
		Short:   "List, make, change and remove namespaces",
		Args:    cobra.NoArgs,
		RunE:    c.onServer(c.listNamespaces),
	}
	list := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List namespaces", Args: cobra.NoArgs, RunE: c.onServer(c.listNamespaces)}
	create := c.writeNamespaceCommand("create", "made", (*client.Client).MakeNamespace)
	create.Short = "Make a namespace"
	update := c.writeNamespaceCommand("update", "updated", (*client.Client).UpdateNamespace)
	update.Short = "Replace the labels and annotations of a namespace"
	update.ValidArgsFunction = c.completeNamespaces
	remove := &cobra.Command{
		Use:               "remove NAME",
		Aliases:           []string{"rm", "delete"},
		Short:             "Remove an empty namespace",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeNamespaces,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			if err := cl.DeleteNamespace(cmd.Context(), args[0]); err != nil {
				return err
			}
			c.note("namespace %s is removed", args[0])
			return nil
		}),
	}
	cmd.AddCommand(list, create, update, remove)
	return cmd
}

// writeNamespaceCommand is a command that sends a whole namespace.
func (c *cli) writeNamespaceCommand(verb, done string, send func(*client.Client, context.Context, api.Namespace) (api.Namespace, error)) *cobra.Command {
	var ns api.Namespace
	cmd := &cobra.Command{
		Use:  verb + " NAME",
		Args: cobra.ExactArgs(1),
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			ns.Name = args[0]
			got, err := send(cl, cmd.Context(), ns)
			if err != nil {
				return err
			}
			return c.print(got, func() string { return "namespace " + got.Name + " is " + done + "\n" })
		}),
	}
	cmd.Flags().StringToStringVarP(&ns.Labels, "labels", "l", nil, "labels: a=b,c=d")
	cmd.Flags().StringToStringVar(&ns.Annotations, "annotations", nil, "annotations: a=b,c=d")
	return cmd
}

func (c *cli) listNamespaces(cmd *cobra.Command, cl *client.Client, _ []string) error {
	list, err := cl.Namespaces(cmd.Context())
	if err != nil {
		return err
	}
	return c.print(list, func() string { return c.namespaceTable(list) })
}

func (c *cli) namespaceTable(list []api.Namespace) string {
	var rows [][]string
	for _, ns := range list {
		rows = append(rows, []string{ns.Name, orDash(pairs(ns.Labels)), c.ago(ns.Created)})
	}
	return c.tabulate([]string{"NAME", "LABELS", "AGE"}, rows)
}

package cli

import (
	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func (c *cli) namespaceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "namespace",
		Aliases: []string{"ns"},
		Short:   "List, make and remove namespaces",
		Args:    cobra.NoArgs,
		RunE:    c.onServer(c.listNamespaces),
	}
	list := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List namespaces", Args: cobra.NoArgs, RunE: c.onServer(c.listNamespaces)}
	var labels map[string]string
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a namespace",
		Args:  cobra.ExactArgs(1),
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			ns, err := cl.CreateNamespace(cmd.Context(), args[0], labels)
			if err != nil {
				return err
			}
			return c.print(ns, func() string { return "namespace " + ns.Name + " is made\n" })
		}),
	}
	create.Flags().StringToStringVarP(&labels, "labels", "l", nil, "labels: a=b,c=d")
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
	cmd.AddCommand(list, create, remove)
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

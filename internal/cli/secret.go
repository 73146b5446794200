package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

func (c *cli) secretCommand() *cobra.Command {
	var namespace string
	list := c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
		return c.listSecrets(cmd, cl, namespace)
	})
	cmd := &cobra.Command{
		Use:     "secret",
		Aliases: []string{"secrets"},
		Short:   "List, make, change and remove secrets",
		Long: `A secret is a value that functions of its namespace may read, as the file
/var/rouse/secrets/NAME, if their rouse.yaml says so:

  secrets: [NAME]

It is kept sealed, and nothing shows it again.`,
		Args: cobra.NoArgs,
		RunE: list,
	}
	ls := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List secrets, not their values", Args: cobra.NoArgs, RunE: list}
	cmd.AddCommand(ls, c.createSecretCommand(&namespace), c.updateSecretCommand(&namespace), c.removeSecretCommand(&namespace))
	cmd.PersistentFlags().StringVarP(&namespace, "namespace", "n", "", "namespace of the secret (default: "+fn.DefaultNamespace+")")
	_ = cmd.RegisterFlagCompletionFunc("namespace", c.completeNamespaces) // fails only for a flag that is not there
	return cmd
}

func (c *cli) createSecretCommand(namespace *string) *cobra.Command {
	var from valueFlags
	var replace bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a secret",
		Long:  "Make a secret of a file, of a literal, or of standard input.",
		Args:  cobra.ExactArgs(1),
		RunE: c.onSecret(&from, func(ctx context.Context, cl *client.Client, name string, value []byte) error {
			err := cl.CreateSecret(ctx, *namespace, name, value)
			if there, ok := errors.AsType[*api.Error](err); ok && replace && there.Kind == string(fn.Conflict) {
				err = cl.UpdateSecret(ctx, *namespace, name, value)
			}
			if err == nil {
				c.note("secret %s is made", name)
			}
			return err
		}),
	}
	from.add(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "if there is one, give it this value")
	return cmd
}

func (c *cli) updateSecretCommand(namespace *string) *cobra.Command {
	var from valueFlags
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Give a secret another value",
		Long: `Give a secret another value, of a file, of a literal, or of standard input.
Instances that use it are replaced, without failing a call.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeSecrets(namespace, 1),
		RunE: c.onSecret(&from, func(ctx context.Context, cl *client.Client, name string, value []byte) error {
			if err := cl.UpdateSecret(ctx, *namespace, name, value); err != nil {
				return err
			}
			c.note("secret %s has another value", name)
			return nil
		}),
	}
	from.add(cmd)
	return cmd
}

func (c *cli) removeSecretCommand(namespace *string) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME...",
		Aliases:           []string{"rm", "delete"},
		Short:             "Remove secrets",
		Long:              "Remove secrets. What runs keeps them; what uses them cannot be started any more.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeSecrets(namespace, 0),
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			for _, name := range args {
				if err := cl.RemoveSecret(cmd.Context(), *namespace, name); err != nil {
					return err
				}
				c.note("secret %s is removed", name)
			}
			return nil
		}),
	}
}

// onSecret makes the run of a command that sets a value.
func (c *cli) onSecret(from *valueFlags, run func(context.Context, *client.Client, string, []byte) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fn.ValidateSecretName("name", args[0]); err != nil {
			return usage(err)
		}
		value, err := c.value(cmd, from)
		if err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		defer cl.Close()
		return run(cmd.Context(), cl, args[0], value)
	}
}

func (c *cli) listSecrets(cmd *cobra.Command, cl *client.Client, namespace string) error {
	list, err := cl.Secrets(cmd.Context(), namespace)
	if err != nil {
		return err
	}
	return c.print(list, func() string {
		var rows [][]string
		for _, s := range list {
			rows = append(rows, []string{s.Name, c.ago(s.Updated), c.ago(s.Created)})
		}
		return c.tabulate([]string{"NAME", "SET", "AGE"}, rows)
	})
}

// completeSecrets offers names of secrets for the first most arguments, for
// all if most is 0.
func (c *cli) completeSecrets(namespace *string, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
			list, err := cl.Secrets(ctx, *namespace)
			var names []string
			for _, s := range list {
				names = append(names, s.Name)
			}
			return names, err
		})
	}
}

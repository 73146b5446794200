package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

// completeWait is how long a shell is kept waiting for names.
const completeWait = time.Second

// completeFunctions offers the names of functions for the first argument.
func (c *cli) completeFunctions(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completeMoreFunctions(cmd, args, prefix)
}

// completeMoreFunctions offers the names of functions for every argument.
func (c *cli) completeMoreFunctions(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace := ""
	if f := cmd.Flag("namespace"); f != nil {
		namespace = f.Value.String()
	}
	return c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
		functions, err := cl.Functions(ctx, client.ListOptions{Namespace: namespace})
		var out []string
		for _, f := range functions {
			name := f.Name
			if namespace == "" && f.Namespace != fn.DefaultNamespace {
				name += "." + f.Namespace
			}
			out = append(out, name+"\t"+f.Spec.Runtime+", "+f.Status.State)
		}
		return out, err
	})
}

func (c *cli) completeNamespaces(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
		namespaces, err := cl.Namespaces(ctx)
		var out []string
		for _, ns := range namespaces {
			out = append(out, ns.Name)
		}
		return out, err
	})
}

// completeDead offers the names of functions, then the ids of a function's
// dead letters.
func (c *cli) completeDead(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeFunctions(cmd, args, prefix)
	}
	const most = 100
	return c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
		ref, err := parseRef(args[0], cmd.Flag("namespace").Value.String())
		if err != nil {
			return nil, err
		}
		letters, err := cl.DeadLetters(ctx, ref, most)
		var out []string
		for _, l := range letters {
			reason, _, _ := strings.Cut(l.Reason, "\n")
			out = append(out, l.ID+"\t"+printable(reason))
		}
		return out, err
	})
}

// complete asks the server for words; a server that does not answer offers
// none.
func (c *cli) complete(cmd *cobra.Command, prefix string, ask func(context.Context, *client.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	cl, err := c.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
	defer cancel()
	words, err := ask(ctx, cl)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			out = append(out, w)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

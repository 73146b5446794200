package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

func (c *cli) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Functions the server brings",
		Args:  cobra.NoArgs,
		RunE:  c.onServer(c.listStore),
	}
	list := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the functions of the store", Args: cobra.NoArgs, RunE: c.onServer(c.listStore)}
	describe := &cobra.Command{
		Use:               "describe NAME",
		Aliases:           []string{"inspect"},
		Short:             "Show one function of the store",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeStore,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			f, err := findInStore(cmd.Context(), cl, args[0])
			if err != nil {
				return err
			}
			return c.print(f, func() string { return storeText(f) })
		}),
	}
	cmd.AddCommand(list, describe, c.storeDeployCommand())
	return cmd
}

func (c *cli) storeDeployCommand() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use:               "deploy NAME",
		Short:             "Deploy a function of the store",
		Example:           "  rouse store deploy qrcode\n  rouse store deploy nodeinfo --name info -n team-a",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeStore,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			f, err := findInStore(cmd.Context(), cl, args[0])
			if err != nil {
				return err
			}
			if s.name == "" {
				s.name = f.Name
			}
			s.image = reference(f)
			return c.deployAll(cmd.Context(), cl, s)
		}),
	}
	cmd.Flags().StringVar(&s.name, "name", "", "name of the function, instead of the store's")
	cmd.Flags().StringToStringVarP(&s.env, "env", "e", nil, "variables: A=b,C=d")
	c.namespaceFlag(cmd, &s.namespace)
	return cmd
}

// imageTarget is a function that is deployed by reference.
func (s selection) imageTarget() (target, error) {
	if s.dir != "." && s.dir != "" || s.file != "" || s.runtime != "" {
		return target{}, usage(errors.New("--image says what runs: leave folder, manifest and runtime out"))
	}
	ref := client.Ref{Namespace: s.namespace, Name: s.name}
	if ref.Namespace == "" {
		ref.Namespace = fn.DefaultNamespace
	}
	if ref.Name == "" {
		return target{}, usage(errors.New("--image needs --name: what the function is called"))
	}
	if _, err := fn.ParseImage(s.image); err != nil {
		return target{}, usage(err)
	}
	if err := fn.ValidateRef(fn.Ref(ref)); err != nil {
		return target{}, usage(err)
	}
	labels, annotations, err := s.marks()
	if err != nil {
		return target{}, err
	}
	return target{ref: ref, source: s.image, req: api.DeployRequest{
		Image: s.image, Spec: api.Spec{Env: s.env}, Labels: labels, Annotations: annotations,
	}}, nil
}

func findInStore(ctx context.Context, cl *client.Client, name string) (api.StoreFunction, error) {
	list, err := cl.Store(ctx)
	if err != nil {
		return api.StoreFunction{}, err
	}
	i := slices.IndexFunc(list, func(f api.StoreFunction) bool { return f.Name == name })
	if i < 0 {
		return api.StoreFunction{}, fn.WithHint(fn.Errorf(fn.NotFound, "the store has no function %s", name), "rouse store list shows what it has")
	}
	return list[i], nil
}

// reference is the image of a function for any platform.
func reference(f api.StoreFunction) string {
	for _, platform := range slices.Sorted(maps.Keys(f.Images)) {
		return f.Images[platform]
	}
	return ""
}

func (c *cli) listStore(cmd *cobra.Command, cl *client.Client, _ []string) error {
	list, err := cl.Store(cmd.Context())
	if err != nil {
		return err
	}
	return c.print(list, func() string {
		var rows [][]string
		for _, f := range list {
			rows = append(rows, []string{f.Name, f.Title, f.Description})
		}
		return c.tabulate([]string{"NAME", "TITLE", "DESCRIPTION"}, rows)
	})
}

func storeText(f api.StoreFunction) string {
	var b strings.Builder
	for _, row := range [][2]string{
		{"name", f.Name}, {"title", f.Title}, {"author", orDash(f.Author)}, {"image", reference(f)}, {"icon", orDash(f.Icon)},
	} {
		fmt.Fprintf(&b, "%-8s %s\n", row[0], row[1])
	}
	fmt.Fprintf(&b, "\n%s\n\nDeploy it with: rouse store deploy %s\n", f.Description, f.Name)
	return b.String()
}

// completeStore offers the names of the store for the first argument.
func (c *cli) completeStore(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
		list, err := cl.Store(ctx)
		var out []string
		for _, f := range list {
			out = append(out, f.Name+"\t"+f.Title)
		}
		return out, err
	})
}

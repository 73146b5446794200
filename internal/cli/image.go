package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/pack"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest"
)

func (c *cli) imageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Say what references of container images stand for",
		Long: `Functions deployed by reference, as faas-cli does, run what the reference
stands for on this server: a folder that is built there, or what a deployed
function runs. There is no container.`,
		Args: cobra.NoArgs,
		RunE: c.onServer(c.listImages),
	}
	list := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List references", Args: cobra.NoArgs, RunE: c.onServer(c.listImages)}
	alias := &cobra.Command{
		Use:   "alias REF BUNDLE",
		Short: "Make a reference stand for a folder or a function",
		Long: `Make a reference stand for a bundle: a folder with a ` + manifest.FileName + `, an OpenFaaS build
context (a folder with a Dockerfile), or what a function runs, as NAME or
NAMESPACE/NAME, with :REVISION for another than the one that serves.`,
		Example:           "  rouse image alias ghcr.io/me/shop:1.0 ./build/shop\n  rouse image alias shop:stable team-a/shop:3",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: c.completeAlias,
		RunE:              c.onServer(c.aliasImage),
	}
	remove := &cobra.Command{
		Use:               "remove REF...",
		Aliases:           []string{"rm", "delete"},
		Short:             "Forget what references stand for",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeImages,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			for _, reference := range args {
				if err := cl.RemoveImage(cmd.Context(), reference); err != nil {
					return err
				}
				c.note("%s stands for nothing any more; functions deployed by it stay", reference)
			}
			return nil
		}),
	}
	cmd.AddCommand(list, alias, remove)
	return cmd
}

func (c *cli) listImages(cmd *cobra.Command, cl *client.Client, _ []string) error {
	list, err := cl.Images(cmd.Context())
	if err != nil {
		return err
	}
	if len(list) == 0 && c.output == "table" {
		c.note("no references; make one with: rouse image alias REF BUNDLE")
		return nil
	}
	return c.print(list, func() string {
		var rows [][]string
		for _, img := range list {
			rows = append(rows, []string{img.Reference, stands(img), img.Spec.Runtime, c.ago(img.Created)})
		}
		return c.tabulate([]string{"REFERENCE", "STANDS FOR", "RUNTIME", "AGE"}, rows)
	})
}

// stands writes what a reference stands for.
func stands(img api.Image) string {
	if img.From != "" {
		return img.From
	}
	_, hex, _ := strings.Cut(img.Source, ":")
	return "source " + hex[:min(len(hex), 12)]
}

func (c *cli) aliasImage(cmd *cobra.Command, cl *client.Client, args []string) error {
	req := api.ImageRequest{Reference: args[0]}
	if _, err := fn.ParseImage(req.Reference); err != nil {
		return usage(err)
	}
	dir, err := c.isFolder(args[1])
	if err != nil {
		return err
	}
	if dir {
		err = c.sendBundle(cmd.Context(), cl, args[1], &req)
	} else {
		err = readRevision(args[1], &req)
	}
	if err != nil {
		return err
	}
	img, err := cl.SetImage(cmd.Context(), req)
	if err != nil {
		return err
	}
	return c.print(img, func() string { return fmt.Sprintf("%s stands for %s\n", img.Reference, stands(img)) })
}

// isFolder says whether a bundle is a folder; what is neither there nor the
// name of a function is an error.
func (c *cli) isFolder(bundle string) (bool, error) {
	if info, err := os.Stat(c.path(bundle)); err == nil && info.IsDir() {
		return true, nil
	}
	name := readRevision(bundle, &api.ImageRequest{})
	if name == nil {
		return false, nil
	}
	return false, usage(fn.WithHint(fn.Errorf(fn.NotFound, "%s is neither a folder nor the name of a function", bundle),
		"name a folder with a %s or a Dockerfile, or NAMESPACE/NAME[:REVISION]", manifest.FileName))
}

// readRevision reads NAME, NAMESPACE/NAME and either with :REVISION.
func readRevision(s string, req *api.ImageRequest) error {
	name, number, given := strings.Cut(s, ":")
	ref, err := parseRef(name, "")
	if err != nil {
		return err
	}
	if given {
		if req.Revision, err = strconv.Atoi(number); err != nil || req.Revision < 1 {
			return usage(fn.Errorf(fn.Invalid, "%q is not the number of a revision", number))
		}
	}
	req.Namespace, req.Function = ref.Namespace, ref.Name
	return nil
}

// sendBundle uploads a folder and says how it is built and run.
func (c *cli) sendBundle(ctx context.Context, cl *client.Client, dir string, req *api.ImageRequest) error {
	s := selection{dir: dir, name: "bundle"}
	if _, err := os.Stat(filepath.Join(c.path(dir), manifest.FileName)); err != nil {
		if _, err := os.Stat(filepath.Join(c.path(dir), "Dockerfile")); err == nil {
			s.runtime = "openfaas"
		}
	}
	targets, err := c.targets(s)
	if err != nil {
		return err
	}
	archive, err := pack.Folder(targets[0].dir)
	if err != nil {
		return err
	}
	defer archive.Close()
	p := c.newProgress(0)
	defer p.Close()
	if err := c.upload(ctx, cl, &deployView{progress: p}, archive); err != nil {
		return err
	}
	p.End()
	req.Source, req.Spec = archive.Digest, targets[0].req.Spec
	return nil
}

// completeImages offers the references the server was told of.
func (c *cli) completeImages(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
		list, err := cl.Images(ctx)
		var out []string
		for _, img := range list {
			out = append(out, img.Reference+"\t"+stands(img))
		}
		return out, err
	})
}

// completeReferences offers what can be deployed by reference: what the server
// was told of, and its store.
func (c *cli) completeReferences(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	told, directive := c.completeImages(cmd, args, prefix)
	brought, _ := c.complete(cmd, prefix, func(ctx context.Context, cl *client.Client) ([]string, error) {
		list, err := cl.Store(ctx)
		var out []string
		for _, f := range list {
			out = append(out, reference(f)+"\t"+f.Title)
		}
		return out, err
	})
	return append(told, brought...), directive
}

// completeAlias offers references, then functions beside the shell's folders.
func (c *cli) completeAlias(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeImages(cmd, args, prefix)
	}
	names, _ := c.completeMoreFunctions(cmd, args, prefix)
	return names, cobra.ShellCompDirectiveDefault
}

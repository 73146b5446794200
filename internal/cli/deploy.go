package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/pack"
	"rouse.dev/rouse/internal/manifest"
)

// largeSource is from where on a source is remarked upon.
const largeSource = 50 << 20

func (c *cli) deployCommand() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use:   "deploy [DIR | -f FILE [NAME...]]",
		Short: "Build a function and put it there",
		Long: `Build a function from its folder, start it, and move the calls to it once it
answers. If anything fails the revision before it serves on. Settings come from
` + manifest.FileName + ` in the folder; without one the name is the folder's and the runtime is
found by its files. Files that fit a pattern in .rouseignore (else .gitignore)
are left out.

FILE may be a stack file of OpenFaaS too, and one is found in a folder that has
no ` + manifest.FileName + `: rouse help stack-files.`,
		Example: "  rouse deploy hello\n  rouse deploy -f rouse.yaml\n  rouse deploy . --name hello-test -e MODE=test\n" +
			"  rouse deploy --image functions/alpine:latest --name count -e fprocess=\"wc -l\"\n" +
			"  rouse deploy -f stack.yaml --filter 'image-*' --parallel 4",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.take(args); err != nil {
				return err
			}
			p, err := c.stackProject(cmd.Context(), s)
			switch {
			case err != nil:
				return err
			case p != nil:
				return c.deployStack(cmd.Context(), s, p)
			}
			if err := refuse(cmd); err != nil {
				return err
			}
			return c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
				return c.deployAll(cmd.Context(), cl, s)
			})(cmd, args)
		},
	}
	s.flags(cmd)
	s.deployFlags(cmd)
	cmd.Flags().StringVar(&s.image, "image", "", "deploy what this reference stands for, in the place of a folder; see rouse image")
	_ = cmd.RegisterFlagCompletionFunc("image", c.completeReferences) // fails only for a flag that is not there
	c.namespaceFlag(cmd, &s.namespace)
	return cmd
}

// take reads the arguments: names with a manifest, else one folder.
func (s *selection) take(args []string) error {
	if s.file != "" {
		s.only = args
		return nil
	}
	s.dir = "."
	if len(args) > 1 {
		return usage(fmt.Errorf("one folder, not %d arguments: several functions are deployed by a manifest, -f", len(args)))
	}
	if len(args) == 1 {
		s.dir = args[0]
	}
	return nil
}

// deployAll deploys one function after the other and stops at the first that
// fails.
func (c *cli) deployAll(ctx context.Context, cl *client.Client, s selection) error {
	targets, err := c.targets(s)
	if err != nil {
		return err
	}
	p := c.newProgress(0)
	defer p.Close()
	var done []api.Function
	for _, t := range targets {
		f, err := c.deployOne(ctx, cl, &deployView{progress: p}, &t)
		if err != nil {
			return err
		}
		done = append(done, f)
	}
	p.End()
	if c.output != "table" && len(done) == 1 && s.file == "" {
		return c.print(done[0], nil)
	}
	return c.deployed(done)
}

// deployed tells where functions are now.
func (c *cli) deployed(done []api.Function) error {
	return c.print(done, func() (text string) {
		for _, f := range done {
			text += fmt.Sprintf("%s revision %s is %s: %s\n", full(client.Ref{Namespace: f.Namespace, Name: f.Name}),
				traffic(f.Traffic), c.look.state(f.Status.State), f.Status.URL)
		}
		return text
	})
}

// deployOne packs, uploads and deploys one function. It notes the source's
// digest in t.
func (c *cli) deployOne(ctx context.Context, cl *client.Client, v *deployView, t *target) (api.Function, error) {
	v.header(*t)
	if t.req.Image != "" {
		f, err := cl.Deploy(ctx, t.ref, t.req, v.event)
		return f, untold(err, &v.shown)
	}
	archive, err := t.pack(t.dir)
	if err != nil {
		return api.Function{}, err
	}
	defer archive.Close()
	if err := c.upload(ctx, cl, v, archive); err != nil {
		return api.Function{}, err
	}
	t.req.Source = archive.Digest
	f, err := cl.Deploy(ctx, t.ref, t.req, v.event)
	return f, untold(err, &v.shown)
}

// upload sends a source unless the server has it.
func (c *cli) upload(ctx context.Context, cl *client.Client, v *deployView, a *pack.Archive) error {
	has, err := cl.HasSource(ctx, a.Digest)
	if err != nil {
		return err
	}
	if !has {
		v.Begin("source " + roughly(a.Size))
		if a.Size > largeSource {
			v.remark(fmt.Sprintf("the source is %s packed: a .rouseignore file can leave out what the function does not need", roughly(a.Size)))
		}
		if _, err := cl.UploadSource(ctx, a); err != nil {
			return err
		}
	}
	v.source(a, has)
	return nil
}

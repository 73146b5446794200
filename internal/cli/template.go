package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/cli/fetch"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

// Variables of OpenFaaS that say where templates are, and where they are if
// these are not set.
const (
	envTemplates     = "OPENFAAS_TEMPLATE_URL"
	envTemplateStore = "OPENFAAS_TEMPLATE_STORE_URL"
	envPrefix        = "OPENFAAS_PREFIX"

	defaultTemplates     = "https://github.com/openfaas/templates.git"
	defaultTemplateStore = "https://raw.githubusercontent.com/openfaas/store/master/templates.json"
)

func (c *cli) templateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "template",
		Short: "Language templates of OpenFaaS: fetch, list, find",
		Long: `Templates lie in the folder template of a project, one folder each. A function of
a stack file names one as its lang; rouse new NAME --template LANG begins with one.`,
	}
	cmd.AddCommand(c.templatePullCommand(), c.templateListCommand(), c.templateStoreCommand())
	return cmd
}

func (c *cli) templatePullCommand() *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "pull [URL[#REF] | FOLDER | stack]",
		Short: "Fetch templates from a Git repository or a folder",
		Long: `Fetch all templates of a Git repository, or of a folder, into the folder template.
REF is a branch, a tag or a commit. Without an address ` + envTemplates + `
says where, else ` + defaultTemplates + `.
The word stack means what the stack file here lists under configuration.templates.`,
		Example: "  rouse template pull https://github.com/openfaas/python-flask-template\n  rouse template pull ../templates#v2 --overwrite",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := fetch.Pull{Project: c.Dir, Overwrite: overwrite}
			address := c.env(envTemplates)
			switch {
			case len(args) == 1 && args[0] == "stack":
				return c.pullStack(cmd.Context(), p)
			case len(args) == 1:
				address = args[0]
			case address == "":
				address = defaultTemplates
			}
			return c.pullTemplates(cmd.Context(), address, p)
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace templates that are here already")
	return cmd
}

// pullStack fetches what the stack file here lists.
func (c *cli) pullStack(ctx context.Context, p fetch.Pull) error {
	s := selection{dir: ".", stack: stackFlags{envsubst: true}}
	found, err := c.stackProject(ctx, s)
	if err != nil {
		return err
	}
	if found == nil || len(found.Templates) == 0 {
		return fn.Errorf(fn.NotFound, "there is no stack file here that lists templates")
	}
	for _, t := range found.Templates {
		address := t.Source
		if address == "" {
			entry, err := c.storeEntry(ctx, "", t.Name)
			if err != nil {
				return err
			}
			address = entry.Repo
		}
		p.Only = []string{t.Name}
		if err := c.pullTemplates(ctx, address, p); err != nil {
			return err
		}
	}
	return nil
}

// pullTemplates fetches templates and says which.
func (c *cli) pullTemplates(ctx context.Context, address string, p fetch.Pull) error {
	src, err := fetch.ParseSource(address)
	if err != nil {
		return usage(err)
	}
	p.Source, p.Folder = src, c.path(src.Path)
	var done fetch.Pulled
	err = c.during("fetching "+src.String(), func() (err error) {
		done, err = p.Do(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if len(done.Kept) > 0 {
		c.note("already here: %s; --overwrite replaces them", strings.Join(done.Kept, ", "))
	}
	if len(done.Written) > 0 {
		c.note("fetched from %s: %s", src, strings.Join(done.Written, ", "))
	}
	return nil
}

func (c *cli) templateListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the templates that are here",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names, err := fetch.List(c.Dir)
			if err != nil {
				return err
			}
			if len(names) == 0 && c.output == "table" {
				c.note("no templates here; fetch some with: rouse template pull")
				return nil
			}
			type row struct {
				Name     string `json:"name"`
				Language string `json:"language,omitempty"`
				FProcess string `json:"fprocess,omitempty"`
			}
			list, rows := []row{}, [][]string{}
			for _, name := range names {
				l, err := fetch.Language(c.Dir, name)
				if err != nil {
					return err
				}
				list = append(list, row{name, l.Name, l.FProcess})
				rows = append(rows, []string{name, orDash(l.Name), orDash(l.FProcess)})
			}
			return c.print(list, func() string { return c.tabulate([]string{"TEMPLATE", "LANGUAGE", "FPROCESS"}, rows) })
		},
	}
}

func (c *cli) completeTemplates(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, err := fetch.List(c.Dir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) templateStoreCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Find templates in a template store",
		Long: `A template store is a list of templates and of the repositories they are in. It is
read from --from, else ` + envTemplateStore + `, else
` + defaultTemplateStore + `.`,
	}
	cmd.PersistentFlags().StringVarP(&address, "from", "u", "", "address of the store's list ("+envTemplateStore+")")
	describe := &cobra.Command{
		Use: "describe NAME", Short: "Show one template of the store", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := c.storeEntry(cmd.Context(), address, args[0])
			if err != nil {
				return err
			}
			return c.print(e, func() string { return describeEntry(e) })
		},
	}
	cmd.AddCommand(c.storeListCommand(&address), c.storePullCommand(&address), describe)
	return cmd
}

func (c *cli) storeListCommand(address *string) *cobra.Command {
	var official, recommended bool
	var platform string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the templates of the store", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := c.store(cmd.Context(), *address)
			if err != nil {
				return err
			}
			list, rows := []stack.StoreEntry{}, [][]string{}
			for _, e := range all {
				if official && e.Official != "true" || recommended && !e.Recommended || platform != "" && !strings.EqualFold(platform, e.Platform) {
					continue
				}
				list = append(list, e)
				rows = append(rows, []string{printable(e.Name), printable(e.Language), printable(e.Source), printable(e.Description)})
			}
			return c.print(list, func() string { return c.tabulate([]string{"TEMPLATE", "LANGUAGE", "SOURCE", "DESCRIPTION"}, rows) })
		},
	}
	f := cmd.Flags()
	f.BoolVar(&official, "official", false, "only those of the OpenFaaS project")
	f.BoolVarP(&recommended, "recommended", "r", false, "only those that are recommended")
	f.StringVarP(&platform, "platform", "p", "", "only those for a platform, such as x86_64")
	return cmd
}

func (c *cli) storePullCommand(address *string) *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use: "pull NAME", Short: "Fetch a template of the store", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := c.storeEntry(cmd.Context(), *address, args[0])
			if err != nil {
				return err
			}
			return c.pullTemplates(cmd.Context(), e.Repo, fetch.Pull{Project: c.Dir, Only: []string{e.Name}, Overwrite: overwrite})
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace the template if it is here already")
	return cmd
}

// store reads the list of the store at address, "" for the user's.
func (c *cli) store(ctx context.Context, address string) (out []stack.StoreEntry, err error) {
	if address == "" {
		address = c.env(envTemplateStore)
	}
	if address == "" {
		address = defaultTemplateStore
	}
	err = c.during("reading the template store", func() (err error) {
		out, err = fetch.Store(ctx, address, "rouse/"+c.Version)
		return err
	})
	return out, err
}

func (c *cli) storeEntry(ctx context.Context, address, name string) (stack.StoreEntry, error) {
	entries, err := c.store(ctx, address)
	if err != nil {
		return stack.StoreEntry{}, err
	}
	return fetch.Find(entries, name)
}

func describeEntry(e stack.StoreEntry) string {
	var b strings.Builder
	for _, row := range [][2]string{
		{"template", e.Name}, {"platform", e.Platform}, {"language", e.Language}, {"source", e.Source},
		{"description", e.Description}, {"repository", e.Repo}, {"official", e.Official}, {"recommended", fmt.Sprint(e.Recommended)},
	} {
		fmt.Fprintf(&b, "%-12s %s\n", row[0], orDash(printable(row[1])))
	}
	return b.String()
}

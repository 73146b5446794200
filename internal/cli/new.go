package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/templates"
)

// languages reads the runtimes that this program brings.
func languages() (*runtimes.Set, error) { return runtimes.Load(templates.FS, "", nil) }

// languageNames lists those runtimes, for people; none if they cannot be read.
func languageNames() []string {
	set, err := languages()
	if err != nil {
		return nil
	}
	return set.Names()
}

func (c *cli) newCommand() *cobra.Command {
	var lang string
	var from newStack
	cmd := &cobra.Command{
		Use:   "new NAME --lang LANGUAGE | --template TEMPLATE",
		Short: "Write a new function to begin with",
		Long: `Write a new function to begin with, into the folder NAME. With --template it is
made from a language template of OpenFaaS, and added to the stack file here.`,
		Example: "  rouse new hello --lang python\n  rouse new hello --template python3-http --template-url https://github.com/openfaas/python-flask-template",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from.template != "" {
				return c.newFromTemplate(cmd.Context(), args[0], from)
			}
			set, err := languages()
			if err != nil {
				return err
			}
			if lang == "" {
				return usage(fn.WithHint(fn.Errorf(fn.Invalid, "which language?"), "say --lang with one of %s", strings.Join(set.Names(), ", ")))
			}
			rt, err := set.Get(lang)
			if err != nil {
				return err
			}
			files, err := rt.New(c.path(args[0]), filepath.Base(args[0]))
			if err != nil {
				return err
			}
			for _, name := range files {
				c.note("  %s", filepath.Join(args[0], name))
			}
			return c.say(fmt.Sprintf("%s is written; put it there with: rouse deploy %s\n", filepath.Base(args[0]), args[0]))
		},
	}
	f := cmd.Flags()
	f.StringVar(&lang, "lang", "", "what it is written in: "+strings.Join(languageNames(), ", "))
	f.StringVar(&from.template, "template", "", "language template of OpenFaaS")
	f.StringVar(&from.url, "template-url", "", "where to get the template if it is not here: URL[#REF] or a folder ("+envTemplates+")")
	f.StringVar(&from.handler, "handler", "", "with --template: folder of the function, instead of its name")
	f.StringVarP(&from.prefix, "prefix", "p", "", "with --template: what the image's name begins with ("+envPrefix+")")
	f.StringVarP(&from.add, "append", "a", "", "with --template: stack file to add the function to")
	f.BoolVarP(&from.quiet, "quiet", "q", false, "with --template: do not show the template's notes")
	cmd.MarkFlagsMutuallyExclusive("lang", "template")
	_ = cmd.RegisterFlagCompletionFunc("template", c.completeTemplates)
	_ = cmd.RegisterFlagCompletionFunc("lang", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return languageNames(), cobra.ShellCompDirectiveNoFileComp
	}) // fails only for a flag that is not there
	return cmd
}

// detect finds out what a folder without a manifest is written in.
func detect(dir string) (string, error) {
	set, err := languages()
	if err != nil {
		return "", err
	}
	return set.Detect(os.DirFS(dir))
}

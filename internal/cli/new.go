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

func (c *cli) newCommand() *cobra.Command {
	var lang string
	cmd := &cobra.Command{
		Use:     "new NAME --lang LANGUAGE",
		Short:   "Write a new function to begin with",
		Long:    "Write a new function to begin with, into the folder NAME.",
		Example: "  rouse new hello --lang python",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
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
	cmd.Flags().StringVar(&lang, "lang", "", "language or kind: see rouse new --help")
	_ = cmd.RegisterFlagCompletionFunc("lang", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		set, err := languages()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return set.Names(), cobra.ShellCompDirectiveNoFileComp
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

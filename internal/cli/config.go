package cli

import (
	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/conf"
)

func (c *cli) configCommand() *cobra.Command {
	var docs, server, file bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration in force and where it comes from",
		Long: `Show the configuration a server started here with the same flags would have:
defaults, then the file, then the environment, then flags. Mistakes are all
shown at once.`,
		Example: "  rouse config\n  rouse config --file > config.yaml\n  rouse config --server",
		Args:    cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.Flags().BoolVar(&docs, "docs", false, "explain every setting")
	cmd.Flags().BoolVar(&server, "server", false, "ask the running server")
	cmd.Flags().BoolVar(&file, "file", false, "print as a configuration file")
	cmd.MarkFlagsMutuallyExclusive("docs", "server", "file")
	ask := c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
		list, err := cl.Config(cmd.Context())
		if err != nil {
			return err
		}
		return c.printSettings(list)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case docs:
			return c.say(conf.Markdown())
		case server:
			return ask(cmd, args)
		}
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		if file {
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			return c.say(string(text))
		}
		return c.printSettings(cfg.Settings())
	}
	return cmd
}

func (c *cli) printSettings(list []api.Setting) error {
	return c.print(list, func() string {
		var rows [][]string
		for _, s := range list {
			from := s.Source
			if from == "default" {
				from = c.look.faint.Render(from)
			}
			rows = append(rows, []string{s.Name, orDash(s.Value), from})
		}
		return c.tabulate([]string{"SETTING", "VALUE", "FROM"}, rows)
	})
}

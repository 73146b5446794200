package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/fn"
)

// Main runs one command and returns the process's exit code. Errors are
// printed to d.Err.
func Main(ctx context.Context, d Deps, args []string) int {
	root := New(d)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	err = meaning(err)
	printError(d.Err, newStyles(d.Err, d.ErrTerminal, d.Env), err, cmd)
	return fn.ExitCode(err)
}

// New makes the root command.
func New(d Deps) *cobra.Command {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Zone == nil {
		d.Zone = time.Local
	}
	c := &cli{
		Deps: d, look: newStyles(d.Out, d.OutTerminal, d.Env), errLook: newStyles(d.Err, d.ErrTerminal, d.Env),
	}
	root := &cobra.Command{
		Use:   "rouse",
		Short: "Functions that sleep at zero and wake in milliseconds",
		Long: `Rouse runs functions on this machine. They sleep at zero and are roused by a
request, in milliseconds.

  rouse up                          start the server
  rouse new hello --lang python     write a function
  rouse deploy hello                put it there
  rouse invoke hello -d world       call it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       d.Version,
	}
	root.SetVersionTemplate("rouse {{.Version}}\n")
	root.SetIn(d.In)
	root.SetOut(d.Out)
	root.SetErr(d.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	f := root.PersistentFlags()
	f.StringVar(&c.url, "url", "", "server to talk to (ROUSE_URL)")
	f.StringVar(&c.data, "data", "", "data folder of the server on this machine (ROUSE_DATA)")
	f.StringVarP(&c.output, "output", "o", "table", "how data is printed: table, json or yaml")
	_ = root.MarkPersistentFlagDirname("data") // fails only for a flag that is not there
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.checkOutput() }
	c.addCommands(root)
	return root
}

func (c *cli) addCommands(root *cobra.Command) {
	groups := []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Write and deploy", []*cobra.Command{c.newCommand(), c.deployCommand(), c.devCommand(), c.templateCommand(), c.storeCommand()}},
		{"Use", []*cobra.Command{c.invokeCommand(), c.listCommand(), c.describeCommand(), c.logsCommand(), c.queueCommand(), c.cancelCommand()}},
		{"Change", []*cobra.Command{c.scaleCommand(), c.rollbackCommand(), c.revisionsCommand(), c.removeCommand(), c.secretCommand()}},
		{"Server", []*cobra.Command{
			c.upCommand(), c.doctorCommand(), c.runtimesCommand(), c.namespaceCommand(), c.imageCommand(), c.configCommand(),
			c.backupCommand(), c.restoreCommand(), c.passwordCommand(), c.versionCommand(),
		}},
	}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
			sayUse(cmd)
			root.AddCommand(cmd)
		}
	}
	root.SetHelpCommandGroupID("Server")
	root.SetCompletionCommandGroupID("Server")
	root.AddCommand(exitCodesTopic(), environmentTopic(), stackTopic())
}

// env reads a variable, "" if it is not set.
func (c *cli) env(name string) string {
	if c.Env == nil {
		return ""
	}
	v, _ := c.Env(name)
	return v
}

// path makes a path the user named absolute.
func (c *cli) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.Dir, name)
}

// open opens a file the user named.
func (c *cli) open(name string) (*os.File, error) {
	f, err := os.Open(c.path(name))
	if err != nil {
		return nil, fileError(name, err)
	}
	return f, nil
}

package cli

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Show what this host gives the server, and what would help",
		Args:  cobra.NoArgs,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
			var report api.DoctorReport
			err := c.during("looking at the host", func() (err error) {
				report, err = cl.Doctor(cmd.Context())
				return err
			})
			if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && c.Doctor != nil && local(c.serverURL()) {
				c.note("no server answers at %s: this is what one started now would find", cl.URL())
				cfg, confErr := c.config(nil)
				if confErr != nil {
					return confErr
				}
				report, err = c.Doctor(cmd.Context(), cfg)
			}
			if err != nil {
				return err
			}
			return c.print(report, func() string { return c.doctorText(report) })
		}),
	}
}

func (c *cli) doctorText(report api.DoctorReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "isolation: %s\n", c.look.bold.Render(report.Level))
	for _, check := range report.Checks {
		mark := c.look.good.Render("✓")
		if !check.OK {
			mark = c.look.bad.Render("✗")
		}
		line := "  " + mark + " " + check.Name
		if check.Detail != "" {
			line += c.look.faint.Render(": " + check.Detail)
		}
		fmt.Fprintln(&b, line)
		if !check.OK && check.Fix != "" {
			fmt.Fprintf(&b, "      %s\n", check.Fix)
		}
	}
	return b.String()
}

func (c *cli) runtimesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "runtimes",
		Short: "List what functions can be written in",
		Args:  cobra.NoArgs,
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
			list, err := cl.Runtimes(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(list, func() string {
				var rows [][]string
				for _, rt := range list {
					status := c.look.good.Render("available")
					if !rt.Available {
						status = c.look.bad.Render("missing: ") + rt.Missing
					}
					rows = append(rows, []string{rt.Name, strings.Join(rt.Modes, ", "), status, rt.Summary})
				}
				return c.tabulate([]string{"NAME", "MODES", "HERE", "SUMMARY"}, rows)
			})
		}),
	}
}

// versions are those of the program and of the server it talks to.
type versions struct {
	Client   string    `json:"client"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	Server   *api.Info `json:"server,omitempty"`
}

func (c *cli) versionCommand() *cobra.Command {
	var server bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program, and of the server with --server",
		Args:  cobra.NoArgs,
	}
	show := func(v versions) error {
		return c.print(v, func() string {
			text := fmt.Sprintf("rouse %s (%s, %s)\n", v.Client, v.Go, v.Platform)
			if s := v.Server; s != nil {
				text += fmt.Sprintf("server %s (%s, %s) at %s, isolation %s, up %s, %s, %s\n",
					s.Version, s.Go, s.Platform, s.URL, s.Isolation, c.ago(s.Started), count(s.Functions, "function"), count(s.Instances, "instance"))
			}
			return text
		})
	}
	here := versions{Client: c.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	ask := c.onServer(func(cmd *cobra.Command, cl *client.Client, _ []string) error {
		info, err := cl.Info(cmd.Context())
		if err != nil {
			return err
		}
		here.Server = &info
		return show(here)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if server {
			return ask(cmd, args)
		}
		return show(here)
	}
	cmd.Flags().BoolVar(&server, "server", false, "ask the server too")
	return cmd
}

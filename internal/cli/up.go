package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/fn"
)

// settings are the flags that change the configuration.
type settings struct {
	file  string
	flags map[string]*string // path of a field → flag
	set   []string
}

func addSettings(cmd *cobra.Command) *settings {
	s := &settings{flags: map[string]*string{}}
	f := cmd.Flags()
	f.StringVar(&s.file, "config", "", "configuration file (ROUSE_CONFIG)")
	for _, flag := range []struct{ name, path, doc string }{
		{"listen", "listen", "address and port to serve on"},
		{"domain", "domain", "functions also answer at NAME.NAMESPACE.DOMAIN"},
		{"log-level", "log.level", "debug, info, warn or error"},
		{"log-format", "log.format", "text or json"},
	} {
		s.flags[flag.path] = f.String(flag.name, "", flag.doc)
	}
	f.StringArrayVar(&s.set, "set", nil, "any setting, NAME=VALUE; rouse config --docs lists them")
	return s
}

// load makes the configuration these flags ask for.
func (s *settings) load(c *cli) (conf.Config, error) {
	flags := map[string]string{}
	for path, value := range s.flags {
		if *value != "" {
			flags[path] = *value
		}
	}
	var wrong fn.Mistakes
	for _, kv := range s.set {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			wrong.Add("--set "+kv, "is not NAME=VALUE")
		}
		flags[name] = value
	}
	if err := wrong.Err(); err != nil {
		return conf.Config{}, usage(err)
	}
	return c.configFrom(s.file, flags)
}

func (c *cli) upCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the server",
		Long: `Start the server and stay until it is interrupted. Everything it keeps lies in
one data folder. It serves functions at /function/NAME, without an account, and
the management API at /v1, for user admin with the password in the data folder.`,
		Example: "  rouse up\n  rouse up --listen 127.0.0.1:9000 --data ./data\n  rouse up --set pool.drainGrace=5s",
		Args:    cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		if c.Up == nil {
			return errors.New("this program has no server in it")
		}
		return c.Up(cmd.Context(), cfg, func(r Ready) { c.welcome(cfg, r) })
	}
	return cmd
}

// welcome says where the server is.
func (c *cli) welcome(cfg conf.Config, r Ready) {
	fmt.Fprintf(c.Out, "rouse %s is ready at %s\n  data      %s\n", c.Version, c.look.bold.Render(r.URL), cfg.Data)
	if r.Password != "" {
		fmt.Fprintf(c.Out, "  user      admin\n  password  %s  (shown this once, kept in %s)\n", r.Password, filepath.Join(cfg.Data, "admin-password"))
	}
	if a, err := netip.ParseAddrPort(cfg.Listen); err == nil && !a.Addr().IsLoopback() {
		c.note("%s others on the network can reach this server, without encryption: put a TLS proxy in front", c.errLook.warn.Render("note:"))
	}
}

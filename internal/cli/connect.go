package cli

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/fn"
)

// Variables for talking to a server elsewhere.
const (
	envURL      = "ROUSE_URL"
	envUser     = "ROUSE_USER"
	envPassword = "ROUSE_PASSWORD"
)

// connect makes a client of the server the user means. The caller closes it.
func (c *cli) connect() (*client.Client, error) {
	base := c.serverURL()
	options := []client.Option{client.WithUserAgent("rouse/" + c.Version)}
	user := c.env(envUser)
	if user == "" {
		user = "admin"
	}
	if c.gateway != "" && base == c.gateway && !local(base) {
		user = "" // a file chose it: nobody's password goes there
	} else if password := c.env(envPassword); password != "" {
		options = append(options, client.WithPassword(user, password))
	} else if local(base) && !strings.Contains(base, "@") {
		password, err := c.localPassword(user)
		if err != nil {
			return nil, err
		}
		if password != "" {
			options = append(options, client.WithPassword(user, password))
		}
	}
	cl, err := client.New(base, options...)
	if err != nil {
		return nil, usage(err)
	}
	return cl, nil
}

// defaultListen is where a server listens unless it is told otherwise.
const defaultListen = "127.0.0.1:8080"

// serverURL is where the user's server is: --url, ROUSE_URL, what a stack file
// says, the address in the configuration, else what the server on this machine
// has written into its data folder.
func (c *cli) serverURL() string {
	if c.url != "" {
		return c.url
	}
	if u := c.env(envURL); u != "" {
		return u
	}
	if c.gateway != "" {
		return c.gateway
	}
	listen := defaultListen
	if cfg, err := c.config(nil); err == nil {
		listen = cfg.Listen
	}
	if listen == defaultListen {
		listen = cmp.Or(c.announced(), listen)
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// announced is the address a server on this machine has written down, "" if
// none has, or this user may not know.
func (c *cli) announced() string {
	for _, dir := range c.dataDirs() {
		if address, err := readLine(filepath.Join(dir, "address")); err == nil {
			return address
		}
	}
	return ""
}

// config loads the configuration a server started here would have.
func (c *cli) config(flags map[string]string) (conf.Config, error) {
	return c.configFrom("", flags)
}

func (c *cli) configFrom(file string, flags map[string]string) (conf.Config, error) {
	all := map[string]string{}
	if c.data != "" {
		all["data"] = c.data
	}
	maps.Copy(all, flags)
	if file != "" {
		file = c.path(file)
	}
	return conf.Load(conf.Sources{
		File: file, Flags: all, Env: c.Env, Root: c.Root, Dir: c.Dir,
		Open: func(name string) (fs.File, error) { return os.Open(name) },
	})
}

// local says whether a URL leads to this machine. The password file of this
// machine is for no other.
func local(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

// localPassword finds the password in the data folder of the server on this
// machine; "" if there is none to be found.
func (c *cli) localPassword(user string) (string, error) {
	var refused string
	for _, dir := range c.dataDirs() {
		path := passwordPath(dir, user)
		password, err := readLine(path)
		switch {
		case err == nil:
			return password, nil
		case errors.Is(err, fs.ErrPermission):
			refused = path
		case !errors.Is(err, fs.ErrNotExist):
			return "", fn.Errorf(fn.Invalid, "reading the password: %w", err)
		}
	}
	if refused != "" {
		return "", fn.WithHint(fn.Errorf(fn.Denied, "the password in %s may not be read", refused),
			"run the command as the user the server runs as, or set %s", envPassword)
	}
	return "", nil
}

// dataDirs lists the folders a server on this machine may keep its data in,
// the likeliest first.
func (c *cli) dataDirs() []string {
	var dirs []string
	if c.data != "" {
		return []string{c.path(c.data)}
	}
	if cfg, err := c.config(nil); err == nil {
		dirs = append(dirs, cfg.Data)
		if c.env("ROUSE_DATA") != "" {
			return dirs
		}
	}
	return append(dirs, conf.DataDir(func(string) (string, bool) { return "", false }, true))
}

// passwordPath is where a server keeps a user's password.
func passwordPath(dir, user string) string {
	if user == "admin" {
		return filepath.Join(dir, "admin-password")
	}
	return filepath.Join(dir, "passwords", filepath.Base(user))
}

// readLine reads the first line of a small file.
func readLine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

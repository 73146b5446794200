package conf

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
)

// maxFile is the largest configuration file read.
const maxFile = 1 << 20

// Sources is where a Config comes from besides its defaults. Nil functions
// find nothing.
type Sources struct {
	File  string                        // configuration file that must exist; "": ROUSE_CONFIG, else the usual place if there is one
	Flags map[string]string             // path of a field → text, from the command line
	Env   func(string) (string, bool)   // os.LookupEnv
	Open  func(string) (fs.File, error) // opens a host path
	Root  bool                          // the server runs as root
	Dir   string                        // working folder: a relative data folder lies below it
}

// Load makes the configuration. All mistakes of all sources are reported at
// once, each an fn.Mistake whose field says where it was made.
func Load(s Sources) (Config, error) {
	if s.Env == nil {
		s.Env = func(string) (string, bool) { return "", false }
	}
	var ms fn.Mistakes
	c := Default(DataDir(s.Env, s.Root))
	c.origin = map[string]string{}
	s.file(&c, &ms)
	s.environment(&c, &ms)
	s.flags(&c, &ms)
	if c.Data != "" && !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(s.Dir, c.Data)
	}
	if len(ms) == 0 { // a field that could not be read would be called wrong twice
		c.validate(&ms)
	}
	if err := ms.Err(); err != nil {
		return Config{}, fn.WithHint(err, "rouse config --docs lists every setting")
	}
	return c, nil
}

// DataDir returns the folder that holds all state when nothing else is said.
func DataDir(env func(string) (string, bool), root bool) string {
	if root {
		return "/var/lib/rouse"
	}
	if dir, ok := env("XDG_DATA_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "rouse")
	}
	home, _ := env("HOME")
	return filepath.Join(home, ".local", "share", "rouse")
}

// path returns the configuration file and whether it must exist.
func (s Sources) path() (string, bool) {
	if s.File != "" {
		return s.File, true
	}
	if p, ok := s.Env("ROUSE_CONFIG"); ok && p != "" {
		return p, true
	}
	if s.Root {
		return "/etc/rouse/config.yaml", false
	}
	if dir, ok := s.Env("XDG_CONFIG_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "rouse", "config.yaml"), false
	}
	home, _ := s.Env("HOME")
	return filepath.Join(home, ".config", "rouse", "config.yaml"), false
}

func (s Sources) file(c *Config, ms *fn.Mistakes) {
	path, must := s.path()
	if s.Open == nil {
		if must {
			ms.Add(path, "cannot be read here")
		}
		return
	}
	f, err := s.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return
	}
	if err != nil {
		ms.Add(path, "cannot be read: %v", err)
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		ms.Add(path, "cannot be read: %v", err)
	case len(text) > maxFile:
		ms.Add(path, "is larger than %s", fn.FormatBytes(maxFile))
	default:
		decode(c, path, text, ms)
	}
}

// decode reads YAML strictly into c and notes which fields it set.
func decode(c *Config, path string, text []byte, ms *fn.Mistakes) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		if te, ok := errors.AsType[*yaml.TypeError](err); ok {
			for _, line := range te.Errors {
				ms.Add(path, "%s", line)
			}
			return
		}
		ms.Add(path, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	var extra yaml.Node
	if err := dec.Decode(&extra); !errors.Is(err, io.EOF) {
		ms.Add(path, "holds more than one document")
		return
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err == nil {
		note(c.origin, "", tree)
	}
}

// note marks every leaf of a decoded file.
func note(origin map[string]string, prefix string, tree map[string]any) {
	for k, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			note(origin, prefix+k+".", sub)
			continue
		}
		origin[prefix+k] = "file"
	}
}

func (s Sources) environment(c *Config, ms *fn.Mistakes) {
	for _, f := range fields(c) {
		text, ok := s.Env(f.env())
		if !ok || text == "" {
			continue
		}
		if err := f.set(text); err != nil {
			ms.Add(f.env(), "%v", err)
			continue
		}
		c.origin[f.path] = "environment"
	}
}

func (s Sources) flags(c *Config, ms *fn.Mistakes) {
	known := map[string]field{}
	for _, f := range fields(c) {
		known[f.path] = f
	}
	for _, path := range slices.Sorted(maps.Keys(s.Flags)) {
		f, ok := known[path]
		if !ok {
			ms.Add(path, "there is no such setting")
			continue
		}
		if err := f.set(s.Flags[path]); err != nil {
			ms.Add(path, "%v", err)
			continue
		}
		c.origin[path] = "flag"
	}
}

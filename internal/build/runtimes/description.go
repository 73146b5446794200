package runtimes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
)

// fileName is the description's name in a runtime's folder.
const fileName = "runtime.yaml"

// maxDescription bounds a description in bytes.
const maxDescription = 256 << 10

// Runtime is one runtime as its folder describes it. It is read-only after
// Load.
type Runtime struct {
	Name string `yaml:"-"` // the folder's
	FS   fs.FS  `yaml:"-"` // the folder

	Title      string         `yaml:"title"`      // "Python 3"
	Summary    string         `yaml:"summary"`    // one sentence
	Handler    []string       `yaml:"handler"`    // entry files looked for if a function names none, the first that exists; "*.go" is a pattern
	Detect     []string       `yaml:"detect"`     // files whose presence means this runtime
	Executable bool           `yaml:"executable"` // the entry file must be executable
	Path       []string       `yaml:"path"`       // host folders searched for programs before the usual ones
	Dockerfile string         `yaml:"dockerfile"` // file of the source whose ENV lines are the program's environment, below that of the mode; "": none
	Requires   []Requirement  `yaml:"requires"`
	Modes      []ModeSpec     `yaml:"modes"`    // the first is the default
	Artifact   string         `yaml:"artifact"` // "source": the built source folder; "output": only what steps write to {{out}}
	Vars       map[string]Var `yaml:"vars"`
	Files      []File         `yaml:"files"`
	Build      []Step         `yaml:"build"`
}

// Requirement is a program of the host.
type Requirement struct {
	Program string   `yaml:"program"`
	Package string   `yaml:"package"` // of Debian
	When    []string `yaml:"when"`    // only if one of these files is in the source; empty: always
}

// ModeSpec is how a mode's program is started and spoken to.
type ModeSpec struct {
	Mode    fn.Mode           `yaml:"mode"`
	Listen  fn.Listen         `yaml:"listen"`
	Command []string          `yaml:"command"` // the first word is a host program's name or a path as in the sandbox
	Env     map[string]string `yaml:"env"`
	From    string            `yaml:"from"` // this mode is the default if the Dockerfile takes its watchdog from an image with this in its name
}

// Var is a placeholder's value, taken from a file of the source.
type Var struct {
	File    string `yaml:"file"`
	Text    string `yaml:"text"` // regular expression, the first group is the value
	Default string `yaml:"default"`
}

// File is a file or folder of the runtime that is put into the source before
// it is built. A name ending in .tmpl loses that ending and has its
// placeholders replaced.
type File struct {
	From   string    `yaml:"from"`
	To     string    `yaml:"to"`
	When   []string  `yaml:"when"`   // only if one of these files is in the source; empty: always
	Unless []string  `yaml:"unless"` // not if one of these files is in the source
	Modes  []fn.Mode `yaml:"modes"`  // only in these; empty: in all
}

// Step is a program run to build a function.
type Step struct {
	Name   string            `yaml:"name"`
	When   []string          `yaml:"when"`   // only if one of these files is in the source
	Unless []string          `yaml:"unless"` // not if one of these is
	Match  *Match            `yaml:"match"`  // only if a file holds some text
	Modes  []fn.Mode         `yaml:"modes"`  // only in these; empty: in all
	Run    []string          `yaml:"run"`
	Cwd    string            `yaml:"cwd"`
	Env    map[string]string `yaml:"env"`
}

// Match looks for text, a regular expression, in a file of the source.
type Match struct {
	File string `yaml:"file"`
	Text string `yaml:"text"`
}

// parse reads a description and checks it as a whole.
func parse(name string, data []byte) (*Runtime, error) {
	if len(data) > maxDescription {
		return nil, fn.Errorf(fn.Invalid, "runtime %s: %s is larger than %s", name, fileName, fn.FormatBytes(maxDescription))
	}
	r := &Runtime{Name: name}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(r); err != nil {
		return nil, fn.Errorf(fn.Invalid, "runtime %s: %s: %w", name, fileName, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("runtime %s: %s: %w", name, fileName, err)
	}
	return r, nil
}

// check returns every mistake of a description.
func (r *Runtime) check() error {
	var ms fn.Mistakes
	if !fn.ValidName(r.Name) {
		ms.Add("folder", "%q is not a name", r.Name)
	}
	if r.Title == "" || r.Summary == "" {
		ms.Add("title", "title and summary must say what this is")
	}
	if r.Artifact != "source" && r.Artifact != "output" {
		ms.Add("artifact", "must be source or output, got %q", r.Artifact)
	}
	if len(r.Modes) == 0 {
		ms.Add("modes", "at least one is needed")
	}
	for i, m := range r.Modes {
		checkMode(&ms, fmt.Sprintf("modes[%d]", i), m)
	}
	if r.Dockerfile != "" && !local(r.Dockerfile) {
		ms.Add("dockerfile", "must be a path inside the source")
	}
	for name, v := range r.Vars {
		checkPattern(&ms, "vars."+name, v.File, v.Text, 1)
	}
	for i, f := range r.Files {
		if !local(f.From) || !local(f.To) {
			ms.Add(fmt.Sprintf("files[%d]", i), "from and to must be paths inside the folders")
		}
	}
	for i, s := range r.Build {
		at := fmt.Sprintf("build[%d]", i)
		if s.Name == "" || len(s.Run) == 0 || s.Run[0] == "" {
			ms.Add(at, "name and run are needed")
		}
		if s.Match != nil {
			checkPattern(&ms, at+".match", s.Match.File, s.Match.Text, 0)
		}
	}
	for i, q := range r.Requires {
		if q.Program == "" || q.Package == "" || path.Base(q.Program) != q.Program {
			ms.Add(fmt.Sprintf("requires[%d]", i), "program (a name without a folder) and package are needed")
		}
	}
	return ms.Err()
}

func checkMode(ms *fn.Mistakes, at string, m ModeSpec) {
	switch m.Mode {
	case fn.ModeHandler, fn.ModeServer, fn.ModeFork, fn.ModeWatchdog, fn.ModeClassic:
	default:
		ms.Add(at+".mode", "must be handler, server, fork, watchdog or classic, got %q", m.Mode)
	}
	if m.Listen != fn.ListenSocket && m.Listen != fn.ListenPort {
		ms.Add(at+".listen", "must be socket or port, got %q", m.Listen)
	}
	if m.Mode != fn.ModeHandler && m.Mode != fn.ModeServer && m.Listen != fn.ListenSocket {
		ms.Add(at+".listen", "must be socket in mode %s", m.Mode)
	}
	if len(m.Command) == 0 || m.Command[0] == "" {
		ms.Add(at+".command", "is needed")
	}
}

func checkPattern(ms *fn.Mistakes, at, file, text string, groups int) {
	re, err := regexp.Compile(text)
	if err != nil {
		ms.Add(at, "%v", err)
	} else if re.NumSubexp() < groups {
		ms.Add(at, "text must have a group")
	}
	if !local(file) {
		ms.Add(at, "file must be a path inside the source")
	}
}

// local says whether p is a slash-separated path that stays in its folder.
func local(p string) bool {
	return p != "" && fs.ValidPath(path.Clean(p)) && !strings.HasPrefix(p, "/")
}

// mode returns the description of a mode, the default one if m is empty.
func (r *Runtime) mode(m fn.Mode) (ModeSpec, bool) {
	if m == "" {
		return r.Modes[0], true
	}
	for _, s := range r.Modes {
		if s.Mode == m {
			return s, true
		}
	}
	return ModeSpec{}, false
}

// errNotFolder is what a folder without a description gives.
var errNotFolder = errors.New("no " + fileName)

package runtimes

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/build/dockerfile"
	"rouse.dev/rouse/internal/fn"
)

// Root is where an artifact is mounted in a sandbox.
const Root = "/function"

// Watchdog is the command line in front of a program that is run once for
// each request: the platform's own binary, which it mounts there.
var Watchdog = []string{"/rouse/rouse", "watchdog", "--"}

// Reserved is the folder of an artifact that belongs to the platform.
const Reserved = ".rouse"

// Plan is what a runtime makes of a function: what to do to its source, and
// the program that comes out. Paths in Program are final; those of Steps and
// Files still hold the placeholders {{source}}, {{out}}, {{cache}} and
// {{runtime}}.
type Plan struct {
	Runtime  *Runtime
	Mode     fn.Mode
	Handler  string // "" if the function's own command says all
	Program  fn.Program
	Values   Values // of the placeholders that are known
	Files    []File
	Steps    []Step
	Programs map[string]string // host programs the plan uses: name → absolute path
	Digest   string            // of everything above, host programs included
}

// Resolve decides how a function with that source is built and run. The spec
// may leave Handler, Mode and Command empty. What cannot work is an Invalid
// error with all mistakes: unknown runtime or mode, a handler that is not
// there (listing what was looked for), a host program that is missing (naming
// the package that brings it).
func (s *Set) Resolve(spec fn.Spec, source fs.FS) (Plan, error) {
	r, err := s.Get(spec.Runtime)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Runtime: r}
	img, err := r.image(source)
	if err != nil {
		return Plan{}, err
	}
	mode, err := p.chooseMode(spec, img)
	if err != nil {
		return Plan{}, err
	}
	var ms fn.Mistakes
	note(&ms, p.chooseHandler(spec, source))
	if _, err := fs.Stat(source, Reserved); err == nil {
		ms.Add("source", "the folder %s is the platform's: remove it", Reserved)
	}
	note(&ms, s.findPrograms(&p, source))
	if p.Values, err = r.values(source, p.Handler); err != nil {
		note(&ms, err)
	}
	if mode.Mode == fn.ModeServer && len(img.Command) > 0 {
		mode.Command = served(img)
	}
	note(&ms, s.program(&p, mode, spec, source))
	p.Program.Env = environment(mode.Env, img)
	p.selectWork(source)
	if err := ms.Err(); err != nil {
		return Plan{}, err
	}
	return p, p.seal()
}

// chooseMode settles the mode.
func (p *Plan) chooseMode(spec fn.Spec, img dockerfile.Image) (ModeSpec, error) {
	want := spec.Mode
	if want == "" && len(spec.Command) > 0 {
		want = fn.ModeServer
	}
	if want == "" {
		want = p.Runtime.modeOf(img)
	}
	m, ok := p.Runtime.mode(want)
	if !ok {
		var have []string
		for _, m := range p.Runtime.Modes {
			have = append(have, string(m.Mode))
		}
		return m, fn.Mistake{Field: "mode", Reason: fmt.Sprintf("runtime %s has %s, not %s", p.Runtime.Name, strings.Join(have, ", "), want)}
	}
	switch {
	case len(spec.Command) == 0:
	case m.Mode == fn.ModeHandler:
		return m, fn.Mistake{Field: "command", Reason: "a handler is called by the runtime's own program: leave it out, or choose mode server or fork"}
	case m.Mode == fn.ModeWatchdog || m.Mode == fn.ModeClassic:
		return m, fn.Mistake{Field: "command", Reason: "a watchdog runs what the variable fprocess says: leave the command out"}
	}
	p.Mode = m.Mode
	return m, nil
}

// chooseHandler settles the entry file.
func (p *Plan) chooseHandler(spec fn.Spec, source fs.FS) error {
	if spec.Handler == "" && (len(spec.Command) > 0 || len(p.Runtime.Handler) == 0) {
		return nil
	}
	handler := path.Clean(spec.Handler)
	if spec.Handler == "" {
		var err error
		if handler, err = p.Runtime.findHandler(source); err != nil {
			return err
		}
	}
	info, err := fs.Stat(source, handler)
	switch {
	case err != nil || !info.Mode().IsRegular():
		return fn.WithHint(fn.Mistake{Field: "handler", Reason: fmt.Sprintf("there is no file %q in the source", handler)},
			"the source holds %s", listing(source))
	case p.Runtime.Executable && info.Mode()&0o111 == 0:
		return fn.WithHint(fn.Mistake{Field: "handler", Reason: fmt.Sprintf("%q is not executable", handler)}, "run: chmod +x %s", handler)
	}
	p.Handler = handler
	return nil
}

// findHandler looks for the default entry files.
func (r *Runtime) findHandler(source fs.FS) (string, error) {
	for _, pattern := range r.Handler {
		names, _ := fs.Glob(source, pattern) // checked patterns; an unreadable folder holds nothing
		for _, name := range names {
			if info, err := fs.Stat(source, name); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(name, "_test.go") {
				return name, nil
			}
		}
	}
	return "", fn.WithHint(fn.Mistake{Field: "handler", Reason: fmt.Sprintf("no entry file found: looked for %s", strings.Join(r.Handler, ", "))},
		"name it with \"handler\"; the source holds %s", listing(source))
}

// listing names some files of a source.
func listing(source fs.FS) string {
	entries, _ := fs.ReadDir(source, ".")
	var names []string
	for _, e := range entries {
		if len(names) == 12 {
			names = append(names, "…")
			break
		}
		names = append(names, e.Name())
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// program settles the command line of the instances.
func (s *Set) program(p *Plan, mode ModeSpec, spec fn.Spec, source fs.FS) error {
	words := p.Values.All(mode.Command)
	if len(spec.Command) > 0 {
		words = slices.Clone(spec.Command)
	}
	first, err := s.locate(p, words[0], source)
	if err != nil {
		return err
	}
	words[0] = first
	if mode.Mode == fn.ModeFork {
		words = append(slices.Clone(Watchdog), words...)
	}
	p.Program = fn.Program{Command: words, Dir: Root, Listen: mode.Listen, Contract: "http"}
	return nil
}

// locate turns a command's first word into an absolute path: a path in the
// sandbox stays, a file of the source is one below Root, all else is looked
// for on the host.
func (s *Set) locate(p *Plan, word string, source fs.FS) (string, error) {
	if path.IsAbs(word) {
		return word, nil
	}
	if clean := path.Clean(word); fs.ValidPath(clean) {
		if info, err := fs.Stat(source, clean); err == nil && info.Mode().IsRegular() {
			if info.Mode()&0o111 == 0 {
				return "", fn.WithHint(fn.Mistake{Field: "command", Reason: fmt.Sprintf("%q is not executable", word)}, "run: chmod +x %s", clean)
			}
			return path.Join(Root, clean), nil
		}
	}
	if strings.Contains(word, "/") {
		if p.Runtime.Artifact == "output" || len(p.Runtime.Build) > 0 {
			return path.Join(Root, word), nil // a build step may make it
		}
		return "", fn.Mistake{Field: "command", Reason: fmt.Sprintf("there is no file %q in the source", word)}
	}
	if found, ok := p.Programs[word]; ok {
		return found, nil
	}
	for _, f := range p.Runtime.Files {
		if _, err := fs.Stat(p.Runtime.FS, path.Join(f.From, word)); err == nil {
			return path.Join(Root, f.To, word), nil
		}
	}
	if found := s.lookup(p.Runtime, word); found != "" {
		p.Programs[word] = found
		return found, nil
	}
	return "", fn.Mistake{Field: "command", Reason: fmt.Sprintf("%q is neither a file of the source nor a program of this host", word)}
}

// selectWork keeps the files and steps whose conditions hold.
func (p *Plan) selectWork(source fs.FS) {
	for _, f := range p.Runtime.Files {
		if p.inMode(f.Modes) && (len(f.When) == 0 || anyExists(source, f.When)) && !anyExists(source, f.Unless) {
			p.Files = append(p.Files, f)
		}
	}
	for _, st := range p.Runtime.Build {
		if !p.inMode(st.Modes) || len(st.When) > 0 && !anyExists(source, st.When) || anyExists(source, st.Unless) {
			continue
		}
		if st.Match != nil {
			text, err := probe(source, st.Match.File)
			if err != nil || !regexp.MustCompile(st.Match.Text).Match(text) {
				continue
			}
		}
		if p.Handler == "" && strings.Contains(strings.Join(st.Run, " "), "{{handler}}") {
			continue
		}
		p.Steps = append(p.Steps, st)
	}
}

func (p *Plan) inMode(modes []fn.Mode) bool {
	return len(modes) == 0 || slices.Contains(modes, p.Mode)
}

// anyExists says whether a file fits one of the names or patterns.
func anyExists(source fs.FS, patterns []string) bool {
	for _, pattern := range patterns {
		if names, _ := fs.Glob(source, pattern); len(names) > 0 {
			return true
		}
	}
	return false
}

// note adds err to ms, if there is one.
func note(ms *fn.Mistakes, err error) {
	if err != nil {
		*ms = append(*ms, err)
	}
}

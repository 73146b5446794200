package runtimes

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/build/dockerfile"
	"rouse.dev/rouse/internal/fn"
)

// image reads the source's Dockerfile, if the runtime looks at it and it is
// there.
func (r *Runtime) image(source fs.FS) (dockerfile.Image, error) {
	if r.Dockerfile == "" {
		return dockerfile.Image{}, nil
	}
	text, err := probe(source, r.Dockerfile)
	if err != nil || text == nil {
		return dockerfile.Image{}, err
	}
	return dockerfile.Parse(text)
}

// modeOf is the mode an image asks for; "" if it asks for none.
//
// An image without a watchdog, and without anything for one to run, serves by
// itself.
func (r *Runtime) modeOf(img dockerfile.Image) fn.Mode {
	if img.Watchdog == "" && img.Env["fprocess"] == "" && len(img.Command) > 0 && path.Base(img.Command[0]) != "fwatchdog" {
		if _, ok := r.mode(fn.ModeServer); ok {
			return fn.ModeServer
		}
	}
	for _, m := range r.Modes {
		if m.From != "" && strings.Contains(img.Watchdog, m.From) {
			return m.Mode
		}
	}
	return ""
}

// home is where images of OpenFaaS keep a function, unless they name another
// folder.
const home = "/home/app"

// roots are the folders of an image that the artifact takes the place of, the
// deepest first.
func roots(img dockerfile.Image) []string {
	if img.Dir == "" || img.Dir == "/" || within(img.Dir, home) {
		return []string{home}
	}
	out := []string{home, img.Dir}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

func within(dir, of string) bool { return dir == of || strings.HasPrefix(dir, of+"/") }

// asInImage gives the program what it would find in the image: variables, the
// folder it starts in, its files where its code expects them.
func (p *Plan) asInImage(env map[string]string, img dockerfile.Image, source fs.FS) {
	p.Program.Env = environment(env, img)
	if p.Runtime.Dockerfile == "" {
		return
	}
	if below, ok := strings.CutPrefix(img.Dir, home+"/"); ok {
		if info, err := fs.Stat(source, below); err == nil && info.IsDir() {
			p.Program.Dir = path.Join(Root, below)
		}
	}
	for _, dir := range roots(img) {
		if !ofSandbox(dir) && (dir == home || !within(home, dir)) {
			p.Program.SeenAt = append(p.Program.SeenAt, dir)
		}
	}
}

// ofSandbox says whether a folder has something else in it in a sandbox.
func ofSandbox(dir string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/")
	return !slices.Contains([]string{"home", "app", "root", "srv", "opt", "go", "src", "code", "workspace", "work"}, top)
}

// environment is the program's: the mode's, below that of the image. What the
// image says about its own folder is said about the artifact. A list of
// folders that both have begins with the mode's.
func environment(mode map[string]string, img dockerfile.Image) map[string]string {
	if len(mode) == 0 && len(img.Env) == 0 {
		return nil
	}
	out := maps.Clone(mode)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range img.Env {
		if ofImage(name) {
			continue
		}
		value = inArtifact(value, img)
		if first, both := out[name]; both && strings.HasSuffix(name, "PATH") {
			value = first + ":" + value
		}
		out[name] = value
	}
	return out
}

// inArtifact rewrites what an image says about its own folder.
func inArtifact(value string, img dockerfile.Image) string {
	for _, dir := range roots(img) {
		value = moved(value, dir)
	}
	return value
}

// served is the command of an image that serves by itself.
func served(img dockerfile.Image) []string {
	out := make([]string, len(img.Command))
	for i, w := range img.Command {
		out[i] = inArtifact(w, img)
	}
	return out
}

// ofImage names what an image says about its own files, or the platform says
// in its place.
func ofImage(name string) bool {
	return name == "PATH" || name == "HOME" || name == "PORT" || strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "ROUSE_")
}

// moved puts Root in the place of a folder wherever value names it.
func moved(value, dir string) string {
	var out strings.Builder
	for {
		at := strings.Index(value, dir)
		if at < 0 {
			out.WriteString(value)
			return out.String()
		}
		after := value[at+len(dir):]
		out.WriteString(value[:at])
		before := out.String()
		begins := before == "" || strings.ContainsRune(" =:,;\"'", rune(before[len(before)-1]))
		ends := after == "" || strings.ContainsRune("/ :,;\"'", rune(after[0]))
		if begins && ends {
			out.WriteString(Root)
		} else {
			out.WriteString(dir)
		}
		value = after
	}
}

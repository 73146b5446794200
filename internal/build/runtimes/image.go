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

// homes are where images of OpenFaaS keep a function, besides the folder they
// name.
var homes = []string{"/home/app"}

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
	dirs := slices.Clone(homes)
	if img.Dir != "" && img.Dir != "/" {
		dirs = append(dirs, img.Dir)
	}
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) }) // the deepest first
	for _, dir := range dirs {
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

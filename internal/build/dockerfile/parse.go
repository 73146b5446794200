package dockerfile

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// Image is how the last stage of a Dockerfile is run.
type Image struct {
	Env      map[string]string // of its ENV lines, variables replaced
	Dir      string            // of its last WORKDIR, absolute; "/" if there is none
	Command  []string          // ENTRYPOINT and CMD, nil unless they are lists of words
	Watchdog string            // image or address the program fwatchdog comes from, "" if there is none
}

// stage is an image in the making.
type stage struct {
	Image
	base       string // image its first ancestor is made from
	args       map[string]string
	entrypoint []string
	command    []string
}

// parser is one run of Parse.
type parser struct {
	escape  byte
	globals map[string]string // ARG lines before the first FROM
	stages  map[string]*stage // by name and by number
	now     *stage            // nil before the first FROM
	count   int
	tooMuch bool // a value passed its bounds
}

// Parse reads a Dockerfile. A file without FROM is an Invalid error; what does
// not matter to running the image is passed over, right or wrong.
func Parse(text []byte) (Image, error) {
	list, escape := split(string(text))
	p := &parser{escape: escape, globals: map[string]string{}, stages: map[string]*stage{}}
	for _, in := range list {
		if p.now == nil && in.name != "FROM" && in.name != "ARG" {
			return Image{}, fn.Errorf(fn.Invalid, "Dockerfile: line %d: %.20q comes before FROM", in.line, in.name)
		}
		if p.read(in); p.tooMuch || p.tooBig() {
			return Image{}, fn.Errorf(fn.Invalid, "Dockerfile: line %d: too many variables or stages, or values of more than %s", in.line, fn.FormatBytes(maxValue))
		}
	}
	if p.now == nil {
		return Image{}, fn.Errorf(fn.Invalid, "Dockerfile: there is no FROM")
	}
	out := p.now.Image
	if len(p.now.entrypoint)+len(p.now.command) > 0 {
		out.Command = append(append([]string{}, p.now.entrypoint...), p.now.command...)
	}
	return out, nil
}

// maxStages is how many stages one file may have.
const maxStages = 100

// tooBig says whether a stage holds more than any function may be given.
func (p *parser) tooBig() bool {
	if p.count > maxStages {
		return true
	}
	maps := []map[string]string{p.globals}
	if p.now != nil {
		maps = append(maps, p.now.Env, p.now.args)
	}
	for _, m := range maps {
		size := 0
		for k, v := range m {
			size += len(k) + len(v)
		}
		if len(m) > fn.MaxEnv || size > fn.MaxEnvBytes {
			return true
		}
	}
	return false
}

func (p *parser) read(in instruction) {
	switch in.name {
	case "FROM":
		p.from(in.args)
	case "ARG":
		p.arg(in.args)
	case "ENV":
		p.env(in.args)
	case "WORKDIR":
		dir := p.expand(in.args)
		if !path.IsAbs(dir) {
			dir = path.Join(p.now.Dir, dir)
		}
		p.now.Dir = path.Clean(dir)
	case "COPY", "ADD":
		p.copied(in.args)
	case "RUN":
		p.fetched(in.args)
	case "ENTRYPOINT":
		p.now.entrypoint, p.now.command = execForm(in.args), nil
	case "CMD":
		p.now.command = execForm(in.args)
	}
}

// execForm reads a list of words; nil if the line is for a shell.
func execForm(args string) []string {
	var list []string
	if json.Unmarshal([]byte(args), &list) != nil {
		return nil
	}
	return list
}

// expand replaces variables by the stage's.
func (p *parser) expand(text string) string {
	lookup := func(name string) string {
		if p.now == nil {
			return p.globals[name]
		}
		if v, ok := p.now.Env[name]; ok {
			return v
		}
		return p.now.args[name]
	}
	return expander{escape: p.escape, lookup: lookup, tooMuch: func() { p.tooMuch = true }}.text(text)
}

func (p *parser) from(args string) {
	p.now = nil // FROM sees the arguments before the first stage only
	var plain []string
	for _, w := range words(args, p.escape) {
		if !strings.HasPrefix(w, "--") {
			plain = append(plain, p.expand(w))
		}
	}
	next := &stage{Image: Image{Env: map[string]string{}, Dir: "/"}, args: map[string]string{}}
	if len(plain) > 0 {
		next.base = plain[0]
		if parent := p.stages[strings.ToLower(plain[0])]; parent != nil {
			*next = *parent
			next.Env, next.args = maps.Clone(parent.Env), map[string]string{}
		}
	}
	if len(plain) >= 3 && strings.EqualFold(plain[1], "as") {
		p.stages[strings.ToLower(plain[2])] = next
	}
	p.stages[strconv.Itoa(p.count)] = next
	p.count++
	p.now = next
}

func (p *parser) arg(args string) {
	for _, w := range words(args, p.escape) {
		name, value, given := strings.Cut(w, "=")
		if value = p.expand(value); !given {
			value = p.globals[name]
		}
		if p.now == nil {
			p.globals[name] = value
		} else {
			p.now.args[name] = value
		}
	}
}

// env reads both forms: "ENV a=b c=d", and "ENV a b", where all that follows
// the name is the value. Variables have the values from before the line.
func (p *parser) env(args string) {
	list := words(args, p.escape)
	if len(list) == 0 {
		return
	}
	if !strings.Contains(list[0], "=") {
		p.now.Env[list[0]] = p.expand(strings.TrimSpace(strings.TrimPrefix(args, list[0])))
		return
	}
	fresh := map[string]string{}
	for _, w := range list {
		if name, value, ok := strings.Cut(w, "="); ok {
			fresh[p.expand(name)] = p.expand(value)
		}
	}
	maps.Copy(p.now.Env, fresh)
}

// copied notes where a watchdog is copied from.
func (p *parser) copied(args string) {
	from := ""
	for _, w := range words(args, p.escape) {
		if v, ok := strings.CutPrefix(w, "--from="); ok {
			from = p.expand(v)
		}
	}
	if !strings.Contains(args, "watchdog") {
		return
	}
	if s := p.stages[strings.ToLower(from)]; s != nil {
		from = s.base
	}
	if from == "" {
		from = p.expand(args) // ADD with the address of a release
	}
	p.now.Watchdog = from
}

var release = regexp.MustCompile(`https?://\S*watchdog\S*`)

// fetched notes where a command loads a watchdog from.
func (p *parser) fetched(args string) {
	if at := release.FindString(args); at != "" {
		p.now.Watchdog = p.expand(at)
	}
}

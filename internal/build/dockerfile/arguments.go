package dockerfile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// MaxSize is the most bytes that are read of a Dockerfile, or written.
const MaxSize = 1 << 20

// argLine is an ARG line: what comes before its names, the names, blanks.
var argLine = regexp.MustCompile(`(?i)^([ \t]*ARG[ \t]+)(.*?)([ \t]*\r?)$`)

// CheckArguments finds what is wrong with the values of build arguments.
func CheckArguments(args map[string]string) error {
	var wrong fn.Mistakes
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if strings.ContainsAny(args[name], "\r\n\x00") {
			wrong.Add("build argument "+name, "must be one line of text")
		}
	}
	return wrong.Err()
}

// SetArguments writes build arguments into a Dockerfile as the values its ARG
// lines have, so that who reads the file alone sees what a build with them
// would. Names without an ARG are passed over, as container builds do; so are
// lines that go on in the next one. fn.TooLarge if the text would pass MaxSize.
func SetArguments(text []byte, args map[string]string) ([]byte, error) {
	if err := CheckArguments(args); err != nil || len(args) == 0 {
		return text, err
	}
	if len(text) > MaxSize {
		return nil, tooLarge()
	}
	_, escape := split(string(text))
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		line, end := strings.CutSuffix(line, "\n")
		if m := argLine.FindStringSubmatch(line); m != nil && !strings.HasSuffix(m[2], string(escape)) {
			line = m[1] + setWords(m[2], args, escape) + m[3]
		}
		out.WriteString(line)
		if end {
			out.WriteByte('\n')
		}
		if out.Len() > MaxSize {
			return nil, tooLarge()
		}
	}
	return []byte(out.String()), nil
}

func tooLarge() error {
	return fn.Errorf(fn.TooLarge, "the Dockerfile is larger than %s with its build arguments", fn.FormatBytes(MaxSize))
}

// setWords gives the names of an ARG line their values. What has none given
// stays as it is, blanks and all.
func setWords(names string, args map[string]string, escape byte) string {
	list := words(names, escape)
	changed := false
	for i, w := range list {
		name, _, _ := strings.Cut(w, "=")
		if value, given := args[name]; given && nameLength(name) == len(name) {
			list[i], changed = name+"="+quoted(value, escape), true
		}
	}
	if !changed {
		return names
	}
	return strings.Join(list, " ")
}

// quoted writes a value so that a Dockerfile means just that by it.
func quoted(value string, escape byte) string {
	e := string(escape)
	return `"` + strings.NewReplacer(e, e+e, `"`, e+`"`, `$`, e+`$`).Replace(value) + `"`
}

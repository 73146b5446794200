package stack

import (
	"regexp"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// Filter says which functions are meant. The zero value means all.
type Filter struct {
	Glob  string // "*" stands for any text
	Regex string // RE2, matches anywhere in the name
}

// Select returns the functions a filter means, at least one.
func (f Filter) Select(functions []Function) ([]Function, error) {
	match, err := f.matcher()
	if err != nil {
		return nil, err
	}
	var out []Function
	for _, one := range functions {
		if match(one.Name) {
			out = append(out, one)
		}
	}
	if len(out) == 0 && (f.Glob != "" || f.Regex != "") {
		return nil, fn.Errorf(fn.NotFound, "no function of the stack file fits %s", f.Glob+f.Regex)
	}
	return out, nil
}

func (f Filter) matcher() (func(string) bool, error) {
	switch {
	case f.Glob != "" && f.Regex != "":
		return nil, fn.Errorf(fn.Invalid, "a filter and a regular expression cannot be given together")
	case f.Glob != "":
		return func(name string) bool { return glob(f.Glob, name) }, nil
	case f.Regex != "":
		re, err := regexp.Compile(f.Regex)
		if err != nil {
			return nil, fn.Errorf(fn.Invalid, "the regular expression cannot be read: %v", err)
		}
		return re.MatchString, nil
	}
	return func(string) bool { return true }, nil
}

// glob matches with "*" as the only sign. Each part between stars is found at
// its first place, which is enough as the stars take the rest.
func glob(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, ok := strings.Cut(name, part)
		if !ok {
			return false
		}
		name = after
	}
	return strings.HasSuffix(name, parts[last])
}

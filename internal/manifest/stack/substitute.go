package stack

import (
	"strings"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/yamlfield"
)

const (
	maxNested   = 10  // depth of variables within defaults
	maxMistakes = 100 // told of one text
)

// Substitute puts variables into text, comments included, before it is read
// as YAML:
//
//	${NAME}             its value; nothing if it is not set
//	${NAME:-DEFAULT}    DEFAULT if it is not set or empty, also written
//	                    ${NAME-…}, ${NAME=…} and ${NAME:=…}; DEFAULT may hold
//	                    variables again
//	$${NAME}            the text ${NAME}
//
// $NAME without braces is left alone. Other operators of shells are mistakes.
// get returns "" for what is not set. The names that were not set and had no
// default come back as unset, each once.
func Substitute(text []byte, get func(name string) string) (out []byte, unset []string, err error) {
	if len(text) > MaxBytes {
		return nil, nil, fn.Errorf(fn.TooLarge, "the stack file has more than %s", fn.FormatBytes(MaxBytes))
	}
	s := &substitution{in: string(text), get: get, known: map[string]bool{}}
	s.text(0, false)
	if s.out.Len() > MaxBytes {
		s.mistakes.Add(place(s.line(len(s.in)), ""), "with its variables put in the file has more than %s", fn.FormatBytes(MaxBytes))
	}
	if err := s.mistakes.Err(); err != nil {
		return nil, nil, err
	}
	return []byte(s.out.String()), s.unset, nil
}

// substitution is a text on its way.
type substitution struct {
	in       string
	at       int
	out      strings.Builder
	get      func(string) string
	known    map[string]bool // names in unset
	unset    []string
	mistakes fn.Mistakes
}

// text copies up to the end, or up to "}" inside a default.
func (s *substitution) text(depth int, keep bool) {
	for s.at < len(s.in) && s.out.Len() <= MaxBytes {
		rest := s.in[s.at:]
		switch {
		case strings.HasPrefix(rest, "$${"):
			s.write("${", depth == 0 || keep)
			s.at += 3
			if i := strings.IndexByte(s.in[s.at:], '}'); depth > 0 && i >= 0 { // its brace is not the default's
				s.write(s.in[s.at:s.at+i+1], keep)
				s.at += i + 1
			}
		case strings.HasPrefix(rest, "${"):
			s.variable(depth, depth == 0 || keep)
		case depth > 0 && rest[0] == '}':
			return
		default:
			s.write(rest[:1], depth == 0 || keep)
			s.at++
		}
	}
}

func (s *substitution) write(text string, keep bool) {
	if keep {
		s.out.WriteString(text)
	}
}

// variable reads ${…} at s.at and, if keep, writes what it stands for.
func (s *substitution) variable(depth int, keep bool) {
	began := s.at
	s.at += len("${")
	name := s.name()
	value := ""
	if name != "" {
		value = s.get(name)
	}
	operator := s.operator()
	switch {
	case depth >= maxNested:
		s.fail(began, "variables within variables, more than %d deep", maxNested)
	case s.at >= len(s.in):
		s.fail(began, "%q has no end", yamlfield.Clip(piece(s.in[began:])))
	case name == "" || operator == "" && s.in[s.at] != '}':
		s.fail(began, "%q is not a variable: there are ${NAME} and ${NAME:-default}; $${ stands for ${", yamlfield.Clip(piece(s.in[began:])))
	case operator == "":
		s.write(value, keep)
		if value == "" && keep {
			s.miss(name)
		}
		s.at++
	default:
		s.write(value, keep)
		s.text(depth+1, keep && value == "")
		if s.at >= len(s.in) {
			s.fail(began, "%q has no end", yamlfield.Clip(piece(s.in[began:])))
			return
		}
		s.at++
	}
}

func (s *substitution) name() string {
	from := s.at
	for s.at < len(s.in) && (isLetter(s.in[s.at]) || s.at > from && s.in[s.at] >= '0' && s.in[s.at] <= '9') {
		s.at++
	}
	return s.in[from:s.at]
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

func (s *substitution) operator() string {
	for _, op := range []string{":-", ":=", "-", "="} {
		if strings.HasPrefix(s.in[s.at:], op) {
			s.at += len(op)
			return op
		}
	}
	return ""
}

func (s *substitution) miss(name string) {
	if !s.known[name] {
		s.known[name] = true
		s.unset = append(s.unset, name)
	}
}

// fail notes a mistake and leaves the rest of the line unread.
func (s *substitution) fail(began int, format string, args ...any) {
	s.mistakes.Add(place(s.line(began), ""), format, args...)
	if i := strings.IndexByte(s.in[s.at:], '\n'); i >= 0 && len(s.mistakes) < maxMistakes {
		s.at += i
	} else {
		s.at = len(s.in)
	}
}

func (s *substitution) line(at int) int { return 1 + strings.Count(s.in[:at], "\n") }

// piece is the text up to the first end of a variable or line.
func piece(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if i := strings.IndexByte(s, '}'); i >= 0 {
		return s[:i+1]
	}
	return s
}

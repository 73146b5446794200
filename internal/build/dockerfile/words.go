package dockerfile

import "strings"

// words splits a line at blanks outside quotes. Quotes, escapes and variables
// stay in the words as they are.
func words(line string, escape byte) []string {
	var out []string
	var word strings.Builder
	var quote byte
	in := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				out = append(out, word.String())
				word.Reset()
			}
			in = false
			continue
		case c == escape && quote != '\'' && i+1 < len(line):
			word.WriteByte(c)
			i++
			c = line[i]
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
		in = true
		word.WriteByte(c)
	}
	if in {
		out = append(out, word.String())
	}
	return out
}

// Bounds of what a text expands to: values may name each other, so that a few
// lines could stand for any number of bytes.
const (
	maxValue = 64 << 10
	maxDepth = 8       // of defaults in defaults
	maxBrace = 4 << 10 // of what stands between braces: each brace that is open is looked for its end
)

// expander replaces variables and takes quotes and escapes away.
type expander struct {
	escape  byte
	lookup  func(string) string
	depth   int
	tooMuch func() // told if a bound is met; the result is worth nothing then
}

// text expands one word, or a text with blanks.
func (x expander) text(s string) string {
	var out strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		if out.Len() > maxValue || x.depth > maxDepth {
			x.tooMuch()
			return ""
		}
		c := s[i]
		switch {
		case quote == '\'' && c != '\'':
			out.WriteByte(c)
		case c == x.escape && i+1 < len(s):
			if i++; quote == '"' && !strings.ContainsRune("\"$"+string(x.escape), rune(s[i])) {
				out.WriteByte(c)
			}
			out.WriteByte(s[i])
		case c == '$':
			value, used := x.variable(s[i+1:])
			if used == 0 {
				value = "$"
			}
			out.WriteString(value)
			i += used
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// variable reads what follows a "$" and returns its value and length.
func (x expander) variable(s string) (value string, used int) {
	if !strings.HasPrefix(s, "{") {
		n := nameLength(s)
		return x.lookup(s[:n]), n
	}
	end := closing(s)
	if end < 0 {
		if len(s) > maxBrace {
			x.tooMuch()
		}
		return "", 0
	}
	inner := s[1:end]
	n := nameLength(inner)
	value = x.lookup(inner[:n])
	x.depth++
	op := strings.TrimPrefix(inner[n:], ":")
	switch {
	case strings.HasPrefix(op, "-") && value == "":
		value = x.text(op[1:])
	case strings.HasPrefix(op, "+") && value != "":
		value = x.text(op[1:])
	}
	return value, end + 1
}

// closing finds the brace that closes the one s begins with.
func closing(s string) int {
	depth := 0
	for i := range min(len(s), maxBrace) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// nameLength is how many bytes of s are a variable's name.
func nameLength(s string) int {
	n := 0
	for n < len(s) && (s[n] == '_' || 'a' <= s[n] && s[n] <= 'z' || 'A' <= s[n] && s[n] <= 'Z' || n > 0 && '0' <= s[n] && s[n] <= '9') {
		n++
	}
	return n
}

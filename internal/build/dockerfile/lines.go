package dockerfile

import (
	"regexp"
	"strings"
)

// instruction is one logical line: "ENV" and what follows it.
type instruction struct {
	line int // where it begins, from 1
	name string
	args string
}

var (
	escapeDirective = regexp.MustCompile("^#\\s*escape\\s*=\\s*([\\\\`])\\s*$")
	otherDirective  = regexp.MustCompile(`^#\s*[A-Za-z]+\s*=`)
	heredoc         = regexp.MustCompile(`<<-?["']?([A-Za-z_][A-Za-z0-9_]*)["']?`)
)

// split joins continued lines and drops comments, blank lines and the bodies
// of here-documents. It returns the escape character with them.
func split(text string) (list []instruction, escape byte) {
	escape = '\\'
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, head := 0, true; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if head {
			if m := escapeDirective.FindStringSubmatch(line); m != nil {
				escape = m[1][0]
			}
			head = otherDirective.MatchString(line)
		}
		if line == "" || line[0] == '#' {
			continue
		}
		begin := i
		var b strings.Builder
		for {
			more := strings.HasSuffix(line, string(escape))
			b.WriteString(strings.TrimSuffix(line, string(escape)))
			if !more {
				break
			}
			if i = nextLine(lines, i); i >= len(lines) {
				break
			}
			b.WriteByte(' ')
			line = strings.TrimSpace(lines[i])
		}
		name, args, _ := strings.Cut(b.String(), " ")
		in := instruction{line: begin + 1, name: strings.ToUpper(strings.TrimSpace(name)), args: strings.TrimSpace(args)}
		list = append(list, in)
		i = skipHeredocs(lines, i, in)
	}
	return list, escape
}

// nextLine is the next line of a continued instruction: comments and blank
// lines between do not end it.
func nextLine(lines []string, i int) int {
	for i++; i < len(lines); i++ {
		if line := strings.TrimSpace(lines[i]); line != "" && line[0] != '#' {
			break
		}
	}
	return i
}

// skipHeredocs returns the last line of the here-documents that begin at i.
func skipHeredocs(lines []string, i int, in instruction) int {
	if in.name != "RUN" && in.name != "COPY" && in.name != "ADD" {
		return i
	}
	for _, m := range heredoc.FindAllStringSubmatch(in.args, -1) {
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != m[1]; i++ {
		}
	}
	return i
}

package pack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Files with patterns of what to leave out; the first there is counts.
const (
	ignoreFile    = ".rouseignore"
	gitIgnoreFile = ".gitignore"
)

// always is left out whatever the patterns say.
var always = []string{".git", ".hg", ".svn", ".DS_Store"}

// maxIgnore is the most that is read of a pattern file.
const maxIgnore = 256 << 10

// rule is one pattern, split at its slashes.
type rule struct {
	parts    []string // "**" stands for any number of folders
	negated  bool     // "!": takes back what an earlier rule left out
	onlyDirs bool     // "dir/"
}

// rules decide what is left out; the last one that fits wins.
type rules []rule

// Ignore returns what Folder would leave out of dir: a slash-separated path
// below dir and whether it is a folder go in.
func Ignore(dir string) (func(name string, isDir bool) bool, error) {
	patterns, _, err := readRules(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ignoreFile, err)
	}
	return patterns.ignored, nil
}

// readRules reads the patterns of a folder and names the file they are from.
func readRules(fsys fs.FS) (patterns, string, error) {
	for _, name := range []string{ignoreFile, gitIgnoreFile} {
		text, err := readPatterns(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return parseRules(text), name, err
	}
	return rules(nil), "", nil
}

func readPatterns(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxIgnore))
	return string(text), errors.Join(err, f.Close())
}

// parseRules reads patterns in the manner of .gitignore: one a line, "#" for
// remarks, "*", "?" and "[a-z]" within a name, "**" over folders, "/" at the
// front or inside for a place, at the end for folders only, "!" to take back.
func parseRules(text string) rules {
	var out rules
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		var r rule
		line, r.negated = strings.CutPrefix(line, "!")
		line, r.onlyDirs = strings.CutSuffix(line, "/")
		anchored := strings.Contains(line, "/")
		r.parts = strings.Split(strings.Trim(line, "/"), "/")
		if !anchored {
			r.parts = append([]string{"**"}, r.parts...)
		}
		out = append(out, r)
	}
	return out
}

// ignored says whether a file or folder is left out. What lies in a folder
// that is, is not asked for.
func (rs rules) ignored(name string, dir bool) bool {
	base := path.Base(name)
	if slices.Contains(always, base) {
		return true
	}
	parts := strings.Split(name, "/")
	out := false
	for _, r := range rs {
		if (dir || !r.onlyDirs) && fits(r.parts, parts) {
			out = !r.negated
		}
	}
	return out
}

// fits matches a path with a pattern, both in parts. It fills a row for each
// part of the pattern, so that many "**" cost no more than one.
func fits(pattern, name []string) bool {
	row := make([]bool, len(name)+1) // row[i]: the pattern so far fits name[:i]
	row[0] = true
	for _, p := range pattern {
		if p == "**" {
			for i := range name {
				row[i+1] = row[i+1] || row[i]
			}
			continue
		}
		for i := len(name); i > 0; i-- {
			ok, err := path.Match(p, name[i-1])
			row[i] = row[i-1] && ok && err == nil
		}
		row[0] = false
	}
	return row[len(name)]
}

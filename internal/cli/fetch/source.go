package fetch

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// schemes are how git may be told to reach a repository.
var schemes = []string{"https", "ssh", "git", "file"}

// scp is the short way to write an ssh address: git@host:org/repository.
var scp = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:]`)

// refPattern is what a branch, tag or commit may look like.
var refPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}$`)

// shaPattern is a commit as "#sha-HEX" or plain.
var shaPattern = regexp.MustCompile(`^(?:sha-)?([0-9a-f]{40}|[0-9a-f]{64})$`)

// Source is where templates are: a Git repository or a folder.
type Source struct {
	URL  string // for git; "" for a folder
	Path string // of a folder as the user wrote it
	Ref  string // branch or tag; "" for the repository's own choice
	SHA  string // commit, wins over Ref
}

// ParseSource reads URL[#REF] or a path.
func ParseSource(s string) (Source, error) {
	at, ref, _ := strings.Cut(s, "#")
	src := Source{Ref: ref}
	if m := shaPattern.FindStringSubmatch(ref); m != nil {
		src.Ref, src.SHA = "", m[1]
	} else if ref != "" && (!refPattern.MatchString(ref) || strings.Contains(ref, "..")) {
		return Source{}, fn.Errorf(fn.Invalid, "%q cannot be a branch, tag or commit", ref)
	}
	scheme, _, remote := strings.Cut(at, "://")
	switch {
	case at == "" || at[0] == '-' || strings.ContainsFunc(at, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return Source{}, fn.Errorf(fn.Invalid, "%q is not where templates can be", at)
	case remote && !allowed(scheme, at):
		return Source{}, fn.WithHint(fn.Errorf(fn.Invalid, "%s is not an address to fetch templates from", Source{URL: at}),
			"use %s or git@HOST:PATH, or a folder", strings.Join(schemes, "://, ")+"://")
	case remote, scp.MatchString(at):
		src.URL = at
	case strings.Contains(at, "::"):
		return Source{}, fn.Errorf(fn.Invalid, "%q names a helper program of git, which is not run", at)
	default:
		src.Path = at
	}
	return src, nil
}

func allowed(scheme, at string) bool {
	u, err := url.Parse(at)
	if err != nil || strings.HasPrefix(u.Host, "-") || u.Host == "" && scheme != "file" {
		return false
	}
	return slices.Contains(schemes, scheme)
}

// String is the source without a password.
func (s Source) String() string {
	out := s.URL + s.Path
	if u, err := url.Parse(s.URL); err == nil && u.User != nil {
		out = u.Redacted()
	}
	if ref := s.Ref + s.SHA; ref != "" {
		out += "#" + ref
	}
	return out
}

package datadir

import (
	"path"
	"path/filepath"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// A backup is a tar in one zstd frame, followed by a seal. Its members, in this
// order: the folder's format, the store's objects (see package record), the
// artifacts (each folder before what is in it, in name order), and the sums: for
// each file before it one line as sha256sum writes it. So it can be unpacked
// and checked by hand: zstd -d | tar x, then sha256sum -c SHA256SUMS.
const (
	memberFormat    = formatFile
	memberObjects   = "objects"
	memberArtifacts = artifactsDir
	memberSums      = "SHA256SUMS"
)

// Limits of one member's name.
const (
	maxName  = 4095
	maxPart  = 255
	maxDepth = 128
)

// checkName refuses names that are not plain relative paths below artifacts.
func checkName(name string) error {
	switch {
	case len(name) > maxName || strings.Count(name, "/") >= maxDepth:
		return fn.Errorf(fn.Invalid, "the name %.80q is too long or too deep", name)
	case !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsRune(name, 0):
		return fn.Errorf(fn.Invalid, "the name %.80q is not a plain relative path", name)
	case !strings.HasPrefix(name, memberArtifacts+"/"):
		return fn.Errorf(fn.Invalid, "the name %.80q is not of a backup", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxPart {
			return fn.Errorf(fn.Invalid, "the name %.80q has a part that is too long", name)
		}
	}
	return nil
}

// CheckLink returns fn.Invalid unless a symbolic link may stand in an artifact
// at name, a path relative to the artifact's folder. Its target must be relative
// and go up first and down then ("../../lib/a", never "lib/../a"), no higher
// than the artifact. Links that all keep this rule cannot lead out of it, not
// even together. Builds should refuse what it refuses: a backup does.
func CheckLink(name, target string) error {
	if target == "" || len(target) > maxName || strings.HasPrefix(target, "/") || strings.ContainsRune(target, 0) {
		return fn.Errorf(fn.Invalid, "the link %.80q has the target %.80q, which is not a relative path", name, target)
	}
	up, down := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			down = true
		case down:
			return fn.Errorf(fn.Invalid, "the link %.80q has the target %.80q, which goes up after it went down", name, target)
		default:
			up++
		}
	}
	if up > strings.Count(name, "/") {
		return fn.Errorf(fn.Invalid, "the link %.80q has the target %.80q, which leads out of its artifact", name, target)
	}
	return nil
}

// inArtifact splits "artifacts/ID/a/b" into ID and a/b.
func inArtifact(member string) (id, rest string) {
	id, rest, _ = strings.Cut(strings.TrimPrefix(member, memberArtifacts+"/"), "/")
	return id, rest
}

// sumLine is a line of the sums, with the escapes of sha256sum.
func sumLine(sum []byte, name string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	if strings.ContainsAny(name, "\\\n\r") {
		name = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
		b.WriteByte('\\')
	}
	for _, c := range sum {
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	b.WriteString("  ")
	b.WriteString(name)
	b.WriteByte('\n')
	return b.String()
}

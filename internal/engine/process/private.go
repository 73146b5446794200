package process

import (
	"bytes"
	"cmp"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// maxPrivateFiles is how many private files an instance may have.
const maxPrivateFiles = 1024

// checkFiles refuses private files that cannot be where they are to be.
// Errors name paths, never content.
func checkFiles(s *engine.Spec) error {
	if len(s.Files) > maxPrivateFiles {
		return fn.Errorf(fn.Invalid, "more than %d private files", maxPrivateFiles)
	}
	seen := map[string]bool{}
	for _, f := range s.Files {
		dir := path.Dir(f.Path)
		switch {
		case !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || strings.ContainsRune(f.Path, 0) || seen[f.Path]:
			return fn.Errorf(fn.Invalid, "bad path of a private file %q", f.Path)
		case dir == "/" || reserved(dir) || dir == "/var" || within("/var/empty", dir) || within("/var/tmp", dir):
			return fn.Errorf(fn.Invalid, "no private file may be at %q", f.Path)
		case f.Mode&^0o444 != 0:
			return fn.Errorf(fn.Invalid, "the private file %s is to have mode %v, but may be read only", f.Path, f.Mode)
		}
		seen[f.Path] = true
	}
	return checkFolders(s)
}

// checkFolders makes sure that no private folder hides, or is hidden by,
// anything else.
func checkFolders(s *engine.Spec) error {
	var others []string
	if s.Root != "" {
		others = append(others, functionDir)
	}
	for _, m := range s.Mounts {
		others = append(others, m.Target)
	}
	total := 0
	for _, f := range foldersOf(s.Files) {
		for _, file := range f.Files {
			total += len(file.Data)
		}
		others = append(others, f.Targets...)
	}
	for i, a := range others {
		for _, b := range others[:i] {
			if len(s.Files) > 0 && (within(a, b) || within(b, a)) {
				return fn.Errorf(fn.Invalid, "private files cannot be in %s beside what is mounted at %s", a, b)
			}
		}
	}
	if total > engine.MaxFileBytes {
		return fn.Errorf(fn.Invalid, "the private files hold %d bytes, at most %s are possible", total, fn.FormatBytes(engine.MaxFileBytes))
	}
	return nil
}

// within says that p is dir or lies in it.
func within(dir, p string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// foldersOf sorts files into folders. Folders that hold the same are one that
// is seen at several places.
func foldersOf(files []engine.File) []plan.Folder {
	byDir := map[string]*plan.Folder{}
	var order []*plan.Folder
	for _, f := range files {
		dir := path.Dir(f.Path)
		if byDir[dir] == nil {
			byDir[dir] = &plan.Folder{Targets: []string{dir}}
			order = append(order, byDir[dir])
		}
		byDir[dir].Files = append(byDir[dir].Files, plan.File{
			Name: path.Base(f.Path), Data: f.Data, Mode: uint32(cmp.Or(f.Mode, 0o400)),
		})
	}
	var out []plan.Folder
next:
	for _, f := range order {
		for i := range out {
			if slices.EqualFunc(out[i].Files, f.Files, sameFile) {
				out[i].Targets = append(out[i].Targets, f.Targets...)
				continue next
			}
		}
		out = append(out, *f)
	}
	return out
}

func sameFile(a, b plan.File) bool {
	return a.Name == b.Name && a.Mode == b.Mode && bytes.Equal(a.Data, b.Data)
}

// private plans the folders of private files; mountPoint makes the folder that
// one of them is mounted on.
func (d *draft) private(mountPoint func(target string) error) error {
	d.box.Folders = foldersOf(d.spec.Files)
	for _, f := range d.box.Folders {
		for _, t := range f.Targets {
			if err := mountPoint(t); err != nil {
				return fn.Errorf(fn.Internal, "making mount point %s: %w", t, err)
			}
		}
	}
	return nil
}

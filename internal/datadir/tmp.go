package datadir

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// emptyTmp removes what an earlier server left in tmp. If something is mounted
// there nothing is removed: removing would reach through the mount.
func emptyTmp(root *os.Root, abs string) error {
	names, err := listNames(root, tmpDir)
	if err != nil || len(names) == 0 {
		return err
	}
	mount, err := mountBelow(filepath.Join(abs, tmpDir))
	if err != nil {
		return fn.Errorf(fn.Internal, "looking for mounts in %s: %w", tmpDir, err)
	}
	if mount != "" {
		return fn.WithHint(fn.Errorf(fn.Conflict, "emptying %s: %s is mounted there", filepath.Join(abs, tmpDir), mount),
			"a killed server left it: umount %s", mount)
	}
	var errs []error
	for _, name := range names {
		if err := root.RemoveAll(filepath.Join(tmpDir, name)); err != nil {
			errs = append(errs, fn.Errorf(fn.Internal, "emptying tmp: %w", err))
		}
	}
	return errors.Join(errs...)
}

// mountBelow returns a mount point below path, or "". Without /proc it finds
// none.
func mountBelow(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	f, err := os.Open("/proc/self/mountinfo")
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		if point := unescape(fields[4]); strings.HasPrefix(point, real+"/") {
			return point, nil
		}
	}
	return "", lines.Err()
}

// unescape undoes the four escapes of the kernel's mount table.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

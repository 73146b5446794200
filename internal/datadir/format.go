package datadir

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// FormatVersion is the format of the folders that this program makes.
const FormatVersion = 1

// newSuffix marks a file that is being written to replace one.
const newSuffix = ".new"

// migration brings a folder from format from to from+1.
type migration struct {
	from int
	what string // what it changes, for the error when it fails

	// run may be called on a folder that an earlier run left half migrated.
	run func(root *os.Root) error
}

// migrations is the table, oldest first, with no gap up to FormatVersion.
func migrations() []migration { return nil }

// newest is the format that a table leads to.
func newest(table []migration) int {
	if len(table) == 0 {
		return FormatVersion
	}
	return table[len(table)-1].from + 1
}

// migrate brings the folder to the newest format, step by step, and writes
// down each step when it is done. A folder without a format is a new one.
func migrate(root *os.Root, abs string, table []migration) error {
	version, err := readFormat(root)
	if errors.Is(err, os.ErrNotExist) {
		return writeFormat(root, newest(table))
	}
	if err != nil {
		return err
	}
	if err := checkFormat(abs, version, table); err != nil {
		return err
	}
	for ; version < newest(table); version++ {
		i := slices.IndexFunc(table, func(m migration) bool { return m.from == version })
		if err := table[i].run(root); err != nil {
			return fn.WithHint(fn.Errorf(fn.KindOf(err), "migrating %s from format %d (%s): %w", abs, version, table[i].what, err),
				"nothing is lost: mend the cause and start the server again, it goes on from here")
		}
		if err := writeFormat(root, version+1); err != nil {
			return err
		}
	}
	return nil
}

// checkFormat refuses formats that the table does not lead on from.
func checkFormat(abs string, version int, table []migration) error {
	if version > newest(table) {
		return fn.WithHint(fn.Errorf(fn.Invalid, "%s has format %d, this version of rouse knows formats up to %d", abs, version, newest(table)),
			"use the newer version of rouse that wrote it, or name another folder with --data")
	}
	for v := version; v < newest(table); v++ {
		if !slices.ContainsFunc(table, func(m migration) bool { return m.from == v }) {
			return fn.WithHint(fn.Errorf(fn.Invalid, "%s has format %d, which this version of rouse no longer migrates", abs, version),
				"open it once with an older version of rouse that does")
		}
	}
	return nil
}

// readFormat returns the folder's format, os.ErrNotExist if it has none.
func readFormat(root *os.Root) (int, error) {
	f, err := root.Open(formatFile)
	if err != nil {
		return 0, fn.Errorf(fn.Internal, "reading the folder's format: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, fn.Errorf(fn.Internal, "reading the folder's format: %w", err)
	}
	return parseFormat(string(text))
}

func parseFormat(text string) (int, error) {
	version, err := strconv.Atoi(strings.TrimSuffix(text, "\n"))
	if err != nil || version < 1 {
		return 0, fn.WithHint(fn.Errorf(fn.Invalid, "the folder's format is %.40q, which is no version", text),
			"restore a backup into a new folder")
	}
	return version, nil
}

// writeFormat replaces the file whole, and makes that durable.
func writeFormat(root *os.Root, version int) error {
	f, err := root.OpenFile(formatFile+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fn.Errorf(fn.Internal, "writing the folder's format: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(version) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(formatFile+newSuffix, formatFile)
	}
	if err == nil {
		err = syncFolder(root, ".")
	}
	if err != nil {
		return fn.Errorf(fn.Internal, "writing the folder's format: %w", err)
	}
	return nil
}

func syncFolder(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func setFormat(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path, "format"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheTableLeadsToTheFormat(t *testing.T) {
	table := migrations()
	if newest(table) != FormatVersion {
		t.Errorf("the table leads to %d, the format is %d", newest(table), FormatVersion)
	}
	for i, m := range table {
		if m.from != FormatVersion-len(table)+i {
			t.Errorf("row %d of the table migrates from %d", i, m.from)
		}
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	keep := filepath.Join(d.Tmp(), "keep")
	if err := errors.Join(os.WriteFile(keep, nil, 0o600), d.Close()); err != nil {
		t.Fatal(err)
	}
	setFormat(t, path, "2\n")
	_, err := Open(path)
	wantError(t, err, fn.Invalid, "has format 2", "newer version of rouse")
	if _, err := os.Stat(keep); err != nil {
		t.Errorf("the folder was changed: %v", err)
	}
}

func TestAFormatThatIsNoVersionIsRefused(t *testing.T) {
	for _, text := range []string{"", "one", "-1", "0", "1 1", "99999999999999999999"} {
		path := t.TempDir()
		setFormat(t, path, text)
		_, err := Open(path)
		wantError(t, err, fn.Invalid, "no version", "restore")
	}
}

// recorder makes a table of steps that note their runs in the folder.
func recorder(from, to int, failAt *int) []migration {
	var table []migration
	for v := from; v < to; v++ {
		table = append(table, migration{from: v, what: "a step", run: func(root *os.Root) error {
			if *failAt == v {
				return fn.Errorf(fn.Exhausted, "no space")
			}
			f, err := root.OpenFile("steps", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			_, err = f.Write([]byte{'0' + byte(v)})
			return errors.Join(err, f.Close())
		}})
	}
	return table
}

func TestOlderFormatsAreMigratedStepByStep(t *testing.T) {
	path := t.TempDir()
	setFormat(t, path, "2\n")
	failAt := 4
	table := recorder(1, 6, &failAt)
	_, err := open(path, table)
	wantError(t, err, fn.Exhausted, "from format 4 (a step)", "goes on from here")
	check := func(format, steps string) {
		t.Helper()
		for name, want := range map[string]string{"format": format, "steps": steps} {
			if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || string(got) != want {
				t.Errorf("%s: %q, error %v; want %q", name, got, err, want)
			}
		}
	}
	check("4\n", "23") // what was done is written down
	failAt = 0
	for range 2 { // and is not done twice
		d, err := open(path, table)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		check("6\n", "2345")
	}
}

func TestANewFolderIsNotMigrated(t *testing.T) {
	path := t.TempDir()
	failAt := 0
	d, err := open(path, recorder(1, 4, &failAt))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := names(t, path); slices.Contains(got, "steps") {
		t.Errorf("a new folder was migrated: %v", got)
	}
	if got, err := os.ReadFile(filepath.Join(path, "format")); err != nil || string(got) != "4\n" {
		t.Errorf("format %q, error %v", got, err)
	}
}

func TestAFormatOlderThanTheTableIsRefused(t *testing.T) {
	path := t.TempDir()
	setFormat(t, path, "1\n")
	failAt := 0
	_, err := open(path, recorder(3, 5, &failAt))
	wantError(t, err, fn.Invalid, "no longer migrates", "older version of rouse")
}

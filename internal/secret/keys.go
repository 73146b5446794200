package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"rouse.dev/rouse/internal/fn"
)

// KeyFile is the name of the key's file in the data folder: one age identity a
// line, "#" begins a comment. The first seals, all of them open.
const KeyFile = "secrets.key"

const (
	newSuffix  = ".new"
	maxKeyFile = 64 << 10 // bytes
)

// Keys seal and open values. They never change once they are made, and are
// safe for use by several goroutines.
type Keys struct {
	path string // of the file, for hints
	ids  []*age.X25519Identity
	byID map[string]*age.X25519Identity // by id
}

// Open reads the keys below dir. If there is no key file it makes one, mode
// 0600, unless needed says that there are values sealed already: a new key
// could not open them, so that is fn.Invalid with a hint. An empty file asks
// for a new key even so.
func Open(dir string, needed bool) (*Keys, error) {
	path := filepath.Join(dir, KeyFile)
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if needed {
			return nil, fn.WithHint(fn.Errorf(fn.Invalid, "%s is missing, and there are secrets that only it opens", path),
				"put it back from where you keep it; if it is lost for good, make an empty %s, start again and set the secrets anew", path)
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		text, err = makeKeyFile(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the key of secrets: %w", err)
	}
	return parse(path, text)
}

// parse reads identities. Errors name lines, never what is in them.
func parse(path string, text []byte) (*Keys, error) {
	k := &Keys{path: path, byID: map[string]*age.X25519Identity{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		id, err := age.ParseX25519Identity(string(line))
		if err != nil {
			return nil, fn.WithHint(fn.Errorf(fn.Invalid, "line %d of %s is not an age X25519 key", n, path),
				"each line is AGE-SECRET-KEY-1… or a comment that begins with #")
		}
		k.ids = append(k.ids, id)
		k.byID[idOf(id)] = id
	}
	if len(k.ids) == 0 {
		return nil, fn.WithHint(fn.Errorf(fn.Invalid, "%s holds no key", path), "put the file back from where you keep it")
	}
	return k, nil
}

// idOf names a key without telling anything about it.
func idOf(id *age.X25519Identity) string {
	sum := sha256.Sum256([]byte(id.Recipient().String()))
	return hex.EncodeToString(sum[:8])
}

func readKeyFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, fn.Errorf(fn.Invalid, "%s is not a key file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return nil, fn.WithHint(fn.Errorf(fn.Denied, "others may read %s: %w", path, err), "chmod 600 it")
		}
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// makeKeyFile writes a new key whole and durably, or not at all.
func makeKeyFile(dir string) ([]byte, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	text := []byte("# Opens the secrets of this server. Keep a copy apart from its backups.\n" + id.String() + "\n")
	path := filepath.Join(dir, KeyFile)
	f, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+newSuffix, path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(path+newSuffix))
	}
	return text, syncFolder(dir)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

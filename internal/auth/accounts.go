package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// AdminName is the account that exists from the first start.
const AdminName = "admin"

// maxPassword is the longest password read from a file or a request.
const maxPassword = 1024

// account is an identity and the hash of its password.
type account struct {
	Identity
	hash [sha256.Size]byte
}

// Accounts are the identities of one server. They never change once loaded.
type Accounts struct {
	list  []account
	fresh string // the admin's password if this start made it
}

// Load reads the passwords below dir, making those that do not exist yet:
// dir/admin-password and dir/passwords/NAME, mode 0600. users are entries
// NAME:ROLE or NAME:ROLE:NAMESPACE, as conf has validated them.
func Load(dir string, users []string) (*Accounts, error) {
	a := &Accounts{}
	password, made, err := ensurePassword(PasswordFile(dir))
	if err != nil {
		return nil, err
	}
	if made {
		a.fresh = password
	}
	a.add(Identity{Name: AdminName, Grants: []Grant{{Role: Administrator}}}, password)
	ids, err := parseUsers(users)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		password, _, err := ensurePassword(filepath.Join(dir, "passwords", id.Name))
		if err != nil {
			return nil, err
		}
		a.add(id, password)
	}
	return a, nil
}

// PasswordFile is where the admin's password is kept below the data folder.
func PasswordFile(dir string) string { return filepath.Join(dir, "admin-password") }

// Fresh returns the admin's password if this start made it, to be shown once;
// else "".
func (a *Accounts) Fresh() string { return a.fresh }

func (a *Accounts) add(id Identity, password string) {
	a.list = append(a.list, account{Identity: id, hash: sha256.Sum256([]byte(password))})
}

// byName checks a name and password. Every account is compared in constant
// time, so that time tells neither which names exist nor how much matched.
func (a *Accounts) byName(name, password string) (Identity, bool) {
	nameHash, hash := sha256.Sum256([]byte(name)), sha256.Sum256([]byte(password))
	found := -1
	for i, acc := range a.list {
		h := sha256.Sum256([]byte(acc.Name))
		both := subtle.ConstantTimeCompare(h[:], nameHash[:]) & subtle.ConstantTimeCompare(acc.hash[:], hash[:])
		found = subtle.ConstantTimeSelect(both, i, found)
	}
	return a.at(found)
}

// byToken checks a bearer token: the password of any account.
func (a *Accounts) byToken(token string) (Identity, bool) {
	hash, found := sha256.Sum256([]byte(token)), -1
	for i, acc := range a.list {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(acc.hash[:], hash[:]), i, found)
	}
	return a.at(found)
}

func (a *Accounts) at(i int) (Identity, bool) {
	if i < 0 {
		return Identity{}, false
	}
	return a.list[i].Identity, true
}

// parseUsers adds up the entries of each name, in order of first mention.
func parseUsers(users []string) ([]Identity, error) {
	var out []Identity
	at := map[string]int{}
	for _, u := range users {
		parts := append(strings.SplitN(u, ":", 3), "")
		role, ok := map[string]Role{"read": Reader, "write": Deployer, "admin": Administrator}[parts[1]]
		if !ok || !fn.ValidName(parts[0]) || parts[0] == AdminName {
			return nil, fn.Errorf(fn.Invalid, "account %q is not NAME:ROLE or NAME:ROLE:NAMESPACE", u)
		}
		i, known := at[parts[0]]
		if !known {
			i = len(out)
			at[parts[0]] = i
			out = append(out, Identity{Name: parts[0]})
		}
		out[i].Grants = append(out[i].Grants, Grant{Role: role, Namespace: parts[2]})
	}
	return out, nil
}

// ensurePassword reads the password in path, making it if there is none.
func ensurePassword(path string) (password string, made bool, err error) {
	password, err = ReadPassword(path)
	if !errors.Is(err, os.ErrNotExist) {
		return password, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", false, fmt.Errorf("making a place for a password: %w", err)
	}
	password = rand.Text()
	if err := writeWhole(path, password+"\n"); err != nil {
		return "", false, fmt.Errorf("writing a password: %w", err)
	}
	return password, true, nil
}

// writeWhole writes a file that is either there complete or not at all.
func writeWhole(path, text string) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	return err
}

// ReadPassword reads a password file: one line of at most 1 KiB. The error
// wraps os.ErrNotExist or os.ErrPermission where that is the reason, and
// fn.Invalid if the file holds no password.
func ReadPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+2))
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if len(password) < 8 || len(password) > maxPassword || strings.ContainsAny(password, "\r\n") {
		return "", fn.WithHint(
			fn.Errorf(fn.Invalid, "%s holds no password: one line of 8 to %d bytes is wanted", path, maxPassword),
			"remove the file and start the server again to have a new one made")
	}
	return password, nil
}

package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func TestAllow(t *testing.T) {
	admin := Identity{Name: "admin", Grants: []Grant{{Role: Administrator}}}
	mixed := Identity{Name: "ci", Grants: []Grant{{Role: Reader}, {Role: Deployer, Namespace: "team"}}}
	local := Identity{Name: "boss", Grants: []Grant{{Role: Administrator, Namespace: "team"}}}
	none := Identity{Name: "gone", Grants: []Grant{{Role: None}}}
	for _, row := range []struct {
		id        Identity
		access    Access
		namespace string
		want      bool
	}{
		{Identity{}, Public, "", true}, {Identity{}, Read, "", false}, {Identity{}, Read, "team", false},
		{none, Public, "", true}, {none, Read, "", false}, {none, Read, "team", false},
		{admin, Admin, "", true}, {admin, Admin, "any", true}, {admin, Write, "any", true},
		{mixed, Read, "", true}, {mixed, Read, "other", true},
		{mixed, Write, "team", true}, {mixed, Write, "other", false}, {mixed, Write, "", true},
		{mixed, Admin, "team", false}, {mixed, Admin, "", false},
		{local, Admin, "team", true}, {local, Admin, "", false}, {local, Read, "", true}, {local, Read, "other", false},
	} {
		if got := Allow(row.id, row.access, row.namespace); got != row.want {
			t.Errorf("Allow(%s, %v, %q) = %v", row.id.Name, row.access, row.namespace, got)
		}
	}
}

func TestFirstStartMakesThePasswordOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := Load(dir, []string{"ci:write:team", "ci:read", "eye:read"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"admin-password", "passwords/ci", "passwords/eye"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	password, err := ReadPassword(PasswordFile(dir))
	if err != nil || password != first.Fresh() || len(password) < 26 {
		t.Errorf("read %q, %v; shown %q", password, err, first.Fresh())
	}
	again, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.Fresh() != "" {
		t.Error("the second start shows a password")
	}
	if _, ok := again.byName("admin", password); !ok {
		t.Error("the password changed")
	}
	ci, ok := first.byName("ci", read(t, filepath.Join(dir, "passwords", "ci")))
	want := Identity{Name: "ci", Grants: []Grant{{Deployer, "team"}, {Reader, ""}}}
	if diff := cmp.Diff(want, ci); !ok || diff != "" {
		t.Error(diff)
	}
}

func TestUnusablePasswordFilesStopTheStart(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "short": "abc\n", "two lines": "abcdefghijk\nabcdefghijk\n", "huge": string(make([]byte, 5000)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(PasswordFile(dir), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir, nil); fn.KindOf(err) != fn.Invalid || fn.Hint(err) == "" {
				t.Errorf("got %v, hint %q", err, fn.Hint(err))
			}
		})
	}
	if _, err := ReadPassword(PasswordFile(t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err := Load(t.TempDir(), []string{"admin:read"}); fn.KindOf(err) != fn.Invalid {
		t.Errorf("a second admin gives %v", err)
	}
}

func TestIdentify(t *testing.T) {
	dir := t.TempDir()
	accounts, err := Load(dir, []string{"eye:read"})
	if err != nil {
		t.Fatal(err)
	}
	eye := read(t, filepath.Join(dir, "passwords", "eye"))
	c := NewChecker(accounts, func() time.Time { return time.Time{} })
	for _, row := range []struct {
		name, header, want string
		kind               fn.Kind
	}{
		{"nobody", "", "", ""},
		{"admin", basic("admin", accounts.Fresh()), "admin", ""},
		{"eye", basic("eye", eye), "eye", ""},
		{"token", "bearer " + eye, "eye", ""},
		{"another's password", basic("admin", eye), "", fn.Unauthenticated},
		{"unknown user", basic("root", accounts.Fresh()), "", fn.Unauthenticated},
		{"empty password", basic("admin", ""), "", fn.Unauthenticated},
		{"empty token", "Bearer ", "", fn.Unauthenticated},
		{"unknown scheme", "Digest " + eye, "", fn.Unauthenticated},
		{"garbage", "\x00", "", fn.Unauthenticated},
		{"huge", "Bearer " + string(make([]byte, 1<<16)), "", fn.Unauthenticated},
	} {
		t.Run(row.name, func(t *testing.T) {
			id, err := c.Identify(request("192.0.2.1:5", row.header))
			if id.Name != row.want {
				t.Errorf("identity %q", id.Name)
			}
			if row.kind == "" && err != nil || row.kind != "" && fn.KindOf(err) != row.kind {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestGuessingIsDamped(t *testing.T) {
	accounts, err := Load(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	c := NewChecker(accounts, func() time.Time { return now })
	try := func(from, password string) fn.Kind {
		_, err := c.Identify(request(from, basic("admin", password)))
		if err == nil {
			return ""
		}
		return fn.KindOf(err)
	}
	for i := range burst {
		if k := try("192.0.2.1:5", fmt.Sprint("guess", i)); k != fn.Unauthenticated {
			t.Fatalf("guess %d: %v", i, k)
		}
	}
	if k := try("192.0.2.1:6", accounts.Fresh()); k != fn.Exhausted {
		t.Errorf("after %d guesses even the right password should wait: %v", burst, k)
	}
	if k := try("192.0.2.2:5", accounts.Fresh()); k != "" {
		t.Errorf("another address is damped too: %v", k)
	}
	now = now.Add(refill)
	if k := try("192.0.2.1:5", accounts.Fresh()); k != "" {
		t.Errorf("after waiting the right password is refused: %v", k)
	}
}

func TestDampingRemembersABoundedNumberOfClients(t *testing.T) {
	accounts, err := Load(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	c := NewChecker(accounts, func() time.Time { return now })
	guess := func(i int) {
		_, _ = c.Identify(request(fmt.Sprintf("10.%d.%d.%d:1", i>>16&255, i>>8&255, i&255), basic("admin", "guess")))
	}
	for i := range maxClients + 100 {
		guess(i)
	}
	if n := len(c.misses); n != maxClients {
		t.Errorf("%d clients remembered, want %d", n, maxClients)
	}
	now = now.Add(time.Minute)
	guess(maxClients + 200)
	if n := len(c.misses); n != 1 {
		t.Errorf("%d clients remembered after all have waited, want 1", n)
	}
}

func TestClientsOfOneIPv6NetworkAreOne(t *testing.T) {
	if a, b := clientOf("[2001:db8::1]:1"), clientOf("[2001:db8::ffff:1]:2"); a != b || !a.IsValid() {
		t.Errorf("%v and %v differ", a, b)
	}
	if a, b := clientOf("[::ffff:192.0.2.1]:1"), clientOf("192.0.2.1:1"); a != b {
		t.Errorf("%v and %v differ", a, b)
	}
}

func request(from, authorization string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = from
	if authorization != "" {
		r.Header["Authorization"] = []string{authorization}
	}
	return r
}

func basic(user, password string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func read(t *testing.T, path string) string {
	t.Helper()
	password, err := ReadPassword(path)
	if err != nil {
		t.Fatal(err)
	}
	return password
}

package secret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"rouse.dev/rouse/internal/fn"
)

func open(t testing.TB, dir string) *Keys {
	t.Helper()
	k, err := Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, k *Keys, name, value string) Sealed {
	t.Helper()
	s, err := k.Seal(name, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(s); err != nil {
		t.Fatal("what was sealed has not the form of a sealed value:", err)
	}
	return s
}

func TestTheFirstStartMakesTheKeyAndLaterOnesReadIt(t *testing.T) {
	dir := t.TempDir()
	s := seal(t, open(t, dir), "default/db", "hunter2")
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("key file: %v, %v", info, err)
	}
	k, err := Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := k.Open("default/db", s); err != nil || string(v) != "hunter2" {
		t.Errorf("opened %q, %v", v, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left in the folder: %v", left)
	}
}

func TestAKeyThatIsMissingButNeededIsNotMadeAnew(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir, true)
	if fn.KindOf(err) != fn.Invalid || !strings.Contains(fn.Hint(err), KeyFile) {
		t.Errorf("%v, hint %q", err, fn.Hint(err))
	}
	if _, err := os.Stat(filepath.Join(dir, KeyFile)); !errors.Is(err, os.ErrNotExist) {
		t.Error("a key was made:", err)
	}
}

func TestAnEmptyKeyFileAsksForANewKey(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, KeyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	s := seal(t, k, "default/db", "hunter2")
	if v, err := open(t, dir).Open("default/db", s); err != nil || string(v) != "hunter2" {
		t.Errorf("opened %q, %v", v, err)
	}
}

func TestAKeyThatOthersMayReadIsClosedToThem(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	path := filepath.Join(dir, KeyFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestABrokenKeyFileIsRefusedWithoutPrintingIt(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cut := id.String()[:40]
	for name, text := range map[string]string{"only comments": "# nothing\n\n", "cut short": "# x\n" + cut + "\n", "no key": "hunter2\n"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, false)
			if fn.KindOf(err) != fn.Invalid || fn.Hint(err) == "" {
				t.Fatalf("%v, hint %q", err, fn.Hint(err))
			}
			for _, secret := range []string{cut, "hunter2"} {
				if strings.Contains(err.Error()+fn.Hint(err), secret) {
					t.Errorf("the error holds what the file holds: %v", err)
				}
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "folder"), false); err == nil {
		t.Error("a key was made in a folder that is not there")
	}
}

func TestWhatIsSealedOpensUnderItsNameOnly(t *testing.T) {
	k := open(t, t.TempDir())
	s := seal(t, k, "default/db", "hunter2")
	if bytes.Contains(s.Data, []byte("hunter2")) || bytes.Contains(s.Data, []byte("default/db")) {
		t.Error("the sealed value can be read")
	}
	if _, err := k.Open("default/other", s); fn.KindOf(err) != fn.Invalid || !strings.Contains(err.Error(), "another name") {
		t.Errorf("under another name: %v", err)
	}
	if a, b := seal(t, k, "a/b", "x"), seal(t, k, "a/b", "x"); bytes.Equal(a.Data, b.Data) {
		t.Error("the same value is sealed the same twice")
	}
	for i := range s.Data { // every byte counts
		bad := bytes.Clone(s.Data)
		bad[i] ^= 1
		if v, err := k.Open("default/db", Sealed{Key: s.Key, Data: bad}); err == nil {
			t.Fatalf("with byte %d changed it opens as %q", i, v)
		}
	}
	if _, err := k.Open("default/db", Sealed{Key: s.Key, Data: s.Data[:len(s.Data)-1]}); fn.KindOf(err) != fn.Invalid {
		t.Errorf("cut short: %v", err)
	}
}

func TestValuesOfEverySize(t *testing.T) {
	k := open(t, t.TempDir())
	for _, n := range []int{0, 1, 64 << 10, MaxValue} {
		value := bytes.Repeat([]byte{'\n'}, n)
		s, err := k.Seal("default/"+strings.Repeat("n", 253), value)
		if err != nil || Check(s) != nil {
			t.Fatalf("%d bytes: %v, %v", n, err, Check(s))
		}
		if got, err := k.Open("default/"+strings.Repeat("n", 253), s); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%d bytes come back as %d: %v", n, len(got), err)
		}
	}
	if _, err := k.Seal("a/b", make([]byte, MaxValue+1)); fn.KindOf(err) != fn.TooLarge {
		t.Errorf("too large a value: %v", err)
	}
	if _, err := k.Seal(strings.Repeat("n", maxName+1), nil); fn.KindOf(err) != fn.Invalid {
		t.Errorf("too long a name: %v", err)
	}
}

func TestAnotherServersValuesOpenOnceItsKeyIsAdded(t *testing.T) {
	theirs, ours := t.TempDir(), t.TempDir()
	s := seal(t, open(t, theirs), "default/db", "hunter2")
	k := open(t, ours)
	_, err := k.Open("default/db", s)
	if fn.KindOf(err) != fn.Conflict || !strings.Contains(fn.Hint(err), filepath.Join(ours, KeyFile)) {
		t.Errorf("with another key: %v, hint %q", err, fn.Hint(err))
	}
	mine := seal(t, k, "default/mine", "own")
	text, err := os.ReadFile(filepath.Join(theirs, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(ours, KeyFile), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(text)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	k = open(t, ours)
	if v, err := k.Open("default/db", s); err != nil || string(v) != "hunter2" {
		t.Errorf("opened %q, %v", v, err)
	}
	if v, err := k.Open("default/mine", mine); err != nil || string(v) != "own" {
		t.Errorf("opened %q, %v", v, err)
	}
	if next := seal(t, k, "default/mine", "own"); next.Key != mine.Key {
		t.Error("it is not the first key that seals")
	}
}

func TestCheckRefusesWhatIsNoSealedValue(t *testing.T) {
	s := seal(t, open(t, t.TempDir()), "a/b", "x")
	for name, bad := range map[string]Sealed{
		"nothing": {}, "no key": {Data: s.Data}, "no data": {Key: s.Key}, "text": {Key: s.Key, Data: []byte("hunter2")},
		"a header alone": {Key: s.Key, Data: s.Data[:bytes.Index(s.Data, []byte("\n---"))]},
		"huge":           {Key: s.Key, Data: append(bytes.Clone(s.Data), make([]byte, maxSealed)...)},
	} {
		if err := Check(bad); fn.KindOf(err) != fn.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fuzzKeys are the keys that the corpus was sealed with.
var fuzzKeys = sync.OnceValues(func() (*Keys, error) {
	return parse("fuzz", []byte("AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU"))
})

// FuzzOpen gives damaged and made-up values to whoever reads a backup.
func FuzzOpen(f *testing.F) {
	k, err := fuzzKeys()
	if err != nil {
		f.Fatal(err)
	}
	for _, value := range []string{"", "hunter2", strings.Repeat("x", 70<<10)} {
		s := seal(f, k, "default/db", value)
		f.Add(s.Key, s.Data)
		f.Add(s.Key, s.Data[:len(s.Data)/2])
		f.Add("another", s.Data)
	}
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		s := Sealed{Key: key, Data: data}
		value, err := k.Open("default/db", s)
		if kind := fn.KindOf(err); err != nil && kind != fn.Invalid && kind != fn.Conflict {
			t.Errorf("kind %s: %v", kind, err)
		}
		if err == nil && (len(value) > MaxValue || Check(s) != nil) {
			t.Errorf("%d bytes open, and Check says %v", len(value), Check(s))
		}
	})
}

// FuzzUnframe takes what a key's holder may have encrypted.
func FuzzUnframe(f *testing.F) {
	f.Add(frame("default/db", []byte("hunter2")))
	f.Add(frame("", nil))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, plain []byte) {
		name, value, err := unframe(plain)
		if err != nil {
			return
		}
		name2, value2, err := unframe(frame(name, value))
		if err != nil || name2 != name || !bytes.Equal(value2, value) {
			t.Errorf("%q, %q come back as %q, %q, %v", name, value, name2, value2, err)
		}
	})
}

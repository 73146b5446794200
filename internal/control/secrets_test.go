package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store"
)

// put creates a secret of the default namespace.
func (r *rig) put(name, value string) {
	r.t.Helper()
	if err := r.CreateSecret(r.t.Context(), "default", name, []byte(value)); err != nil {
		r.t.Fatal(err)
	}
}

func uses(names ...string) func(*Deploy) {
	return func(d *Deploy) { d.Spec.Secrets = names }
}

// given are the private files of what runs, by path: the only instance's.
func (r *rig) given() map[string]string {
	r.t.Helper()
	alive, _ := r.engine.alive()
	if len(alive) != 1 {
		r.t.Fatalf("%d instances run", len(alive))
	}
	out := map[string]string{}
	for _, f := range alive[0].Files {
		out[f.Path] = string(f.Data)
		if f.Mode != 0 {
			r.t.Errorf("%s has mode %v", f.Path, f.Mode)
		}
	}
	return out
}

// awaitFile waits until one instance alone runs, and has that file.
func (r *rig) awaitFile(path, want string) {
	r.t.Helper()
	for {
		alive, moved := r.engine.alive()
		if len(alive) == 1 {
			for _, f := range alive[0].Files {
				if f.Path == path && string(f.Data) == want {
					return
				}
			}
		}
		select {
		case <-moved:
		case <-r.t.Context().Done():
			r.t.Fatalf("%s never became %q", path, want)
		}
	}
}

func TestSecretsAreMadeChangedListedAndRemoved(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	r.put("b", "two")
	r.put("a.key", "one")
	if _, err := r.CreateNamespace(ctx, "team", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.CreateSecret(ctx, "team", "b", []byte("other")); err != nil {
		t.Fatal(err)
	}
	list, err := r.Secrets(ctx, "default")
	if err != nil || len(list) != 2 || list[0].Name != "a.key" || list[1].Name != "b" || list[0].Created.IsZero() {
		t.Errorf("listed: %+v, %v", list, err)
	}
	if all, err := r.Secrets(ctx, ""); err != nil || len(all) != 3 {
		t.Errorf("of all namespaces: %+v, %v", all, err)
	}
	mentions(t, r.CreateSecret(ctx, "default", "b", nil), fn.Conflict, "secret b exists already")
	if err := r.UpdateSecret(ctx, "default", "b", []byte("three")); err != nil {
		t.Fatal(err)
	}
	if list, _ = r.Secrets(ctx, "default"); !list[1].Updated.After(list[1].Created) {
		t.Errorf("after an update: %+v", list[1])
	}
	if err := r.RemoveSecret(ctx, "default", "b"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{r.RemoveSecret(ctx, "default", "b"), r.UpdateSecret(ctx, "default", "b", nil)} {
		mentions(t, err, fn.NotFound, "no secret b in namespace default")
	}
	if list, _ = r.Secrets(ctx, "team"); len(list) != 1 {
		t.Errorf("of the other namespace: %+v", list)
	}
}

func TestSecretsThatCannotBe(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	for _, name := range []string{"", "a/b", "..", "a..b", "A", strings.Repeat("a", 254)} {
		for _, err := range []error{
			r.CreateSecret(ctx, "default", name, nil), r.UpdateSecret(ctx, "default", name, nil), r.RemoveSecret(ctx, "default", name),
		} {
			mentions(t, err, fn.Invalid, "name")
		}
	}
	mentions(t, r.CreateSecret(ctx, "../x", "a", nil), fn.Invalid, "namespace")
	mentions(t, r.CreateSecret(ctx, "nowhere", "a", nil), fn.NotFound, "no namespace nowhere")
	_, err := r.Secrets(ctx, "nowhere")
	mentions(t, err, fn.NotFound, "no namespace nowhere")
	mentions(t, r.CreateSecret(ctx, "default", "a", make([]byte, secret.MaxValue+1)), fn.TooLarge, "1Mi")
	if err := r.CreateSecret(ctx, "default", "a", make([]byte, secret.MaxValue)); err != nil {
		t.Errorf("the largest there may be: %v", err)
	}
}

func TestANamespaceWithSecretsIsNotDeleted(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	if _, err := r.CreateNamespace(ctx, "team", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.CreateSecret(ctx, "team", "a", nil); err != nil {
		t.Fatal(err)
	}
	mentions(t, r.DeleteNamespace(ctx, "team"), fn.Conflict, "1 secret")
	if err := errors.Join(r.RemoveSecret(ctx, "team", "a"), r.DeleteNamespace(ctx, "team")); err != nil {
		t.Fatal(err)
	}
	mentions(t, r.CreateSecret(ctx, "team", "a", nil), fn.NotFound, "no namespace team")
}

func TestADeployNamesEverySecretThatIsMissing(t *testing.T) {
	r := newRig(t)
	r.put("there", "x")
	before := r.state()
	_, err := r.try(t.Context(), alpha, "one", uses("not-1", "there", "not-2"))
	mentions(t, err, fn.Invalid, "secrets[0]", "not-1", "secrets[2]", "not-2")
	if strings.Contains(err.Error(), "secret there") || !strings.Contains(fn.Hint(err), "rouse secret create") {
		t.Errorf("%v, hint %q", err, fn.Hint(err))
	}
	if d := cmp.Diff(before, r.state()); d != "" || len(r.engine.started()) > 0 {
		t.Errorf("something was changed or started: %s", d)
	}
	_, err = r.try(t.Context(), alpha, "one", uses("../x", "there", "there"))
	mentions(t, err, fn.Invalid, "secrets[0]", "twice")
}

func TestAFunctionIsGivenItsSecretsAsFiles(t *testing.T) {
	r := newRig(t)
	r.put("a", "value of a")
	r.put("b.pem", "value of b")
	r.put("c", "value of c")
	v := r.deploy(alpha, "one", uses("b.pem", "a"))
	if d := cmp.Diff([]string{"b.pem", "a"}, v.Spec.Secrets); d != "" {
		t.Error(d)
	}
	want := map[string]string{
		"/var/openfaas/secrets/a": "value of a", "/var/rouse/secrets/a": "value of a",
		"/var/openfaas/secrets/b.pem": "value of b", "/var/rouse/secrets/b.pem": "value of b",
	}
	if d := cmp.Diff(want, r.given()); d != "" {
		t.Error(d)
	}
	alive, _ := r.engine.alive()
	if got := alive[0].Env["ROUSE_SECRETS"]; got != "/var/rouse/secrets" {
		t.Errorf("ROUSE_SECRETS is %q", got)
	}
	for k, val := range alive[0].Env {
		if strings.Contains(val, "value of") || k == "secret_mount_path" {
			t.Errorf("%s=%s", k, val)
		}
	}
	if w := r.deploy(alpha, "one", uses("b.pem", "a", "c")); w.Latest != 2 {
		t.Errorf("another list of secrets is revision %d", w.Latest)
	}
}

func TestWithoutSecretsThereIsNoSignOfThem(t *testing.T) {
	r := newRig(t)
	r.put("a", "value")
	r.deploy(alpha, "one", nil)
	if len(r.given()) > 0 {
		t.Errorf("given: %v", r.given())
	}
	alive, _ := r.engine.alive()
	if v, ok := alive[0].Env["ROUSE_SECRETS"]; ok {
		t.Errorf("ROUSE_SECRETS is %q", v)
	}
}

func TestAnUpdateReplacesTheInstancesThatUseIt(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	r.put("a", "old")
	r.put("other", "x")
	r.deploy(alpha, "one", uses("a"))
	if err := r.UpdateSecret(ctx, "default", "a", []byte("new")); err != nil {
		t.Fatal(err)
	}
	r.awaitFile("/var/rouse/secrets/a", "new")
	if got, _ := r.call(alpha); got != rev(alpha, 1) {
		t.Errorf("served by %v", got)
	}
	starts := len(r.engine.started())
	if starts != 2 {
		t.Errorf("%d starts, want 2", starts)
	}
	if err := r.UpdateSecret(ctx, "default", "other", []byte("y")); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t, rev(alpha, 1))
	if n := len(r.engine.started()); n != starts {
		t.Error("an update of a secret it does not use replaced an instance")
	}
}

func TestWhatLacksASecretSaysSoWhenItStarts(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	r.put("a", "x")
	r.put("b", "x")
	r.deploy(alpha, "one", uses("a", "b"))
	for _, name := range []string{"a", "b"} {
		if err := r.RemoveSecret(ctx, "default", name); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := r.call(alpha); got != rev(alpha, 1) {
		t.Errorf("what runs does not run on: %v", got)
	}
	if _, err := r.Scale(ctx, alpha, new(0)); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t)
	_, err := r.pool.Admit(ctx, new(rev(alpha, 1)), fn.CallID{})
	fail, ok := errors.AsType[*fn.Failure](err)
	if !ok || fail.Cause != "no-secret" || fail.Phase != fn.PhaseStart || fail.Kind != fn.Unavailable ||
		!strings.Contains(fail.Message, "secret a, b") || !strings.Contains(fail.Hint, "rouse secret create a") {
		t.Fatalf("%+v", err)
	}
	r.put("a", "y")
	r.put("b", "y")
	if err := r.pool.Warm(ctx, rev(alpha, 1), 1); err != nil {
		t.Fatal(err)
	}
	r.awaitFile("/var/rouse/secrets/a", "y")
}

func TestSecretsTogetherHaveALimit(t *testing.T) {
	r := newRig(t)
	var names []string
	for i := range engine.MaxFileBytes/secret.MaxValue + 1 {
		names = append(names, fmt.Sprintf("s%d", i))
		r.put(names[i], strings.Repeat("x", secret.MaxValue))
	}
	_, err := r.try(t.Context(), alpha, "one", uses(names...))
	mentions(t, err, fn.Unavailable, "at most 8Mi")
	r.deploy(alpha, "one", uses(names[1:]...))
}

func TestACiphertextUnderAnotherNameDoesNotOpen(t *testing.T) {
	r := newRig(t)
	r.put("theirs", "x")
	r.put("mine", "y")
	r.spoil(func(o map[store.Key]*store.Change) { // as somebody with the store in hand might
		ch := o[secretKey("default", "mine")]
		s, err := decode[sealedSecret](store.Object{Key: ch.Key, Value: o[secretKey("default", "theirs")].Value})
		if err != nil {
			t.Fatal(err)
		}
		edit(t, ch, map[string]any{"sealed": s.Sealed})
	})
	_, err := r.try(t.Context(), alpha, "one", uses("mine"))
	mentions(t, err, fn.Unavailable, "secret mine", "cannot open")
}

func TestTheServerStartsWithoutTheKeyOfSomeSecrets(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	r.put("a", "x")
	r.deploy(alpha, "one", uses("a"))
	r.deploy(beta, "two", nil)
	if err := os.WriteFile(filepath.Join(r.dir.Path(), secret.KeyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.restart()
	if _, text := r.call(beta); text != "two" {
		t.Errorf("beta serves %q", text)
	}
	_, err := r.pool.Admit(ctx, new(rev(alpha, 1)), fn.CallID{})
	if fail, ok := errors.AsType[*fn.Failure](err); !ok || fail.Cause != "secret-unreadable" || !strings.Contains(fail.Hint, secret.KeyFile) {
		t.Errorf("%+v", err)
	}
	if err := r.UpdateSecret(ctx, "default", "a", []byte("set anew")); err != nil {
		t.Fatal(err)
	}
	if err := r.pool.Warm(ctx, rev(alpha, 1), 1); err != nil {
		t.Fatal(err)
	}
}

func TestABackupHoldsSecretsSealed(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	marker := rand.Text()
	r.put("a", marker)
	r.deploy(alpha, "one", uses("a"))
	saved := r.backup()
	key, err := os.ReadFile(filepath.Join(r.dir.Path(), secret.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	_, identity, _ := bytes.Cut(key, []byte("AGE-SECRET-KEY-"))
	if plain := unpacked(t, saved.Bytes()); bytes.Contains(plain, []byte(marker)) || bytes.Contains(plain, bytes.TrimSpace(identity)) ||
		!bytes.Contains(plain, []byte("secrets")) {
		t.Error("the backup holds the value or the key, or no secret at all")
	}
	if err := r.UpdateSecret(ctx, "default", "a", []byte("later")); err != nil {
		t.Fatal(err)
	}
	info, err := r.Restore(ctx, bytes.NewReader(saved.Bytes()), true)
	if err != nil || info.Secrets != 1 {
		t.Fatalf("%+v, %v", info, err)
	}
	if err := r.pool.Warm(ctx, rev(alpha, 1), 1); err != nil {
		t.Fatal(err)
	}
	r.awaitFile("/var/rouse/secrets/a", marker)
}

func TestABackupIsRestoredElsewhereOnceTheKeyIsThere(t *testing.T) {
	a, b, ctx := newRig(t), newRig(t), t.Context()
	a.put("a", "x")
	a.put("b", "x")
	a.deploy(alpha, "one", uses("a"))
	saved := a.backup().Bytes()
	b.put("own", "y")
	before := b.state()
	_, err := b.Restore(ctx, bytes.NewReader(saved), true)
	mentions(t, err, fn.Conflict, "no key for 2 secrets")
	ours := filepath.Join(b.dir.Path(), secret.KeyFile)
	if !strings.Contains(fn.Hint(err), ours) {
		t.Errorf("hint %q", fn.Hint(err))
	}
	if d := cmp.Diff(before, b.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	theirs, err := os.ReadFile(filepath.Join(a.dir.Path(), secret.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(ours, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(theirs)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	b.restart()
	if _, err := b.Restore(ctx, bytes.NewReader(saved), true); err != nil {
		t.Fatal(err)
	}
	if err := b.pool.Warm(ctx, rev(alpha, 1), 1); err != nil {
		t.Fatal(err)
	}
	b.awaitFile("/var/openfaas/secrets/a", "x")
}

// TestManyLargeSecretsAreRestored has more of them than one batch of the store
// may hold.
func TestManyLargeSecretsAreRestored(t *testing.T) {
	r := newRig(t)
	const n = 13 // 1.4 MB each
	for i := range n {
		r.put(fmt.Sprintf("s%d", i), strings.Repeat("x", secret.MaxValue))
	}
	r.put("a", "small")
	r.deploy(alpha, "one", uses("a"))
	saved := r.backup()
	if err := r.RemoveSecret(t.Context(), "default", "s7"); err != nil {
		t.Fatal(err)
	}
	r.put("later", "x")
	info, err := r.Restore(t.Context(), saved, true)
	if err != nil || info.Secrets != n+1 {
		t.Fatalf("%+v, %v", info, err)
	}
	if list, err := r.Secrets(t.Context(), "default"); err != nil || len(list) != n+1 {
		t.Errorf("%d secrets are there, %v", len(list), err)
	}
	if got, _ := r.call(alpha); got != rev(alpha, 1) {
		t.Errorf("served by %v", got)
	}
}

func TestRestoreRefusesSecretsThatNoOtherDoorLetsIn(t *testing.T) {
	key := secretKey("default", "a")
	for name, c := range map[string]struct {
		spoil func(ch *store.Change)
		words []string
	}{
		"another name": {func(ch *store.Change) { edit(t, ch, map[string]any{"name": "../up"}) }, []string{"name", "key"}},
		"no age file": {func(ch *store.Change) {
			edit(t, ch, map[string]any{"sealed": secret.Sealed{Key: strings.Repeat("0", 16), Data: []byte("x")}})
		}, []string{"sealed.data"}},
		"plain text": {func(ch *store.Change) { edit(t, ch, map[string]any{"sealed": "hunter2"}) }, []string{"secrets default/a"}},
		"of a namespace that is not there": {func(ch *store.Change) {
			edit(t, ch, map[string]any{"namespace": "gone"})
			ch.Key = secretKey("gone", "a")
		}, []string{"namespace gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.put("a", "x")
			r.spoil(func(o map[store.Key]*store.Change) { c.spoil(o[key]) })
			saved := r.backup()
			_, err := r.Restore(t.Context(), saved, true)
			mentions(t, err, fn.Invalid, c.words...)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds the value: %v", err)
			}
		})
	}
}

func TestSecretsWaitForARestore(t *testing.T) {
	r := newRig(t)
	if err := r.gate.alone(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		r.CreateSecret(ctx, "default", "a", nil), r.UpdateSecret(ctx, "default", "a", nil), r.RemoveSecret(ctx, "default", "a"),
	} {
		mentions(t, err, fn.Conflict, "other changes")
	}
	r.gate.leave()
}

// unpacked is the archive in a backup.
func unpacked(t *testing.T, backup []byte) []byte {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAMissingSecretIsNamedInTheCommandThatMakesIt(t *testing.T) {
	r := newRig(t)
	r.put("there", "x")
	for _, row := range []struct {
		names []string
		want  string
	}{
		{[]string{"there", "db"}, "make it first: rouse secret create db -n default"},
		{[]string{"a", "there", "b"}, "make it first: rouse secret create NAME -n default"},
	} {
		_, err := r.try(t.Context(), fn.Ref{Namespace: "default", Name: "f"}, "1", uses(row.names...))
		if got := fn.Hint(err); got != row.want {
			t.Errorf("%q: %v, hint %q", row.names, err, got)
		}
	}
}

package nativetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/native"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Variables of a deployed spec's Env that make the fake misbehave.
const (
	FailBuild = "FAKE_FAIL_BUILD" // the build fails and prints this
	FailStart = "FAKE_FAIL_START" // the program exits at once and prints this
)

// Epoch is the fake's clock: it stands still, so that outputs are the same
// every time.
var Epoch = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// Fake is a native.Control in memory.
type Fake struct {
	mu         sync.Mutex // guards everything below
	base       string     // what functions' URLs begin with
	namespaces map[string]fn.Namespace
	functions  map[fn.Ref]*function
	images     map[string]fn.Image // by reference in full
	sources    map[string]bool     // digest → accepted
	builds     map[fn.Ref]string   // what the last build printed
	secrets    map[string]heldSecret
	grown      chan struct{} // closed and made again when a log grows or a function goes
}

type function struct {
	view      control.View
	revisions []control.RevisionView // oldest first
	log       []control.LogLine
	calls     int64
}

var _ native.Control = (*Fake)(nil)

// NewFake makes an empty platform with the default namespace.
func NewFake() *Fake {
	return &Fake{
		base:       "http://127.0.0.1:8080",
		namespaces: map[string]fn.Namespace{fn.DefaultNamespace: {Name: fn.DefaultNamespace, Created: Epoch}},
		functions:  map[fn.Ref]*function{}, images: map[string]fn.Image{}, sources: map[string]bool{}, builds: map[fn.Ref]string{}, secrets: map[string]heldSecret{}, grown: make(chan struct{}),
	}
}

// SetBase sets what the URLs of functions deployed from now on begin with.
func (f *Fake) SetBase(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.base = url
}

func (f *Fake) changedLocked() {
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *Fake) getLocked(ref fn.Ref) (*function, error) {
	fun, ok := f.functions[ref]
	if !ok {
		return nil, fn.WithHint(fn.Errorf(fn.NotFound, "there is no function %s", ref), "rouse list shows those there are")
	}
	return fun, nil
}

// Functions implements native.Functions.
func (f *Fake) Functions(_ context.Context, namespace string, labels map[string]string) ([]control.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []control.View
	for ref, fun := range f.functions {
		match := namespace == "" || namespace == ref.Namespace
		for k, v := range labels {
			match = match && fun.view.Labels[k] == v
		}
		if match {
			out = append(out, fun.view)
		}
	}
	slices.SortFunc(out, func(a, b control.View) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return out, nil
}

// Function implements native.Functions.
func (f *Fake) Function(_ context.Context, ref fn.Ref) (control.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun, err := f.getLocked(ref)
	if err != nil {
		return control.View{}, err
	}
	return fun.view, nil
}

// Scale implements native.Functions; the instances are there at once.
func (f *Fake) Scale(_ context.Context, ref fn.Ref, replicas *int) (control.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun, err := f.getLocked(ref)
	if err != nil {
		return control.View{}, err
	}
	if replicas != nil && *replicas > fun.view.Spec.Scale.Max {
		return control.View{}, fn.WithHint(
			fn.Errorf(fn.Invalid, "%d replicas are more than scale.max (%d)", *replicas, fun.view.Spec.Scale.Max),
			"deploy with a larger scale.max")
	}
	fun.view.Function.Replicas = replicas
	fun.view.Replicas = control.Replicas{}
	if replicas != nil {
		fun.view.Replicas.Ready = *replicas
	}
	return fun.view, nil
}

// Rollback implements native.Functions.
func (f *Fake) Rollback(_ context.Context, ref fn.Ref, revision int) (control.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun, err := f.getLocked(ref)
	if err != nil {
		return control.View{}, err
	}
	if revision == 0 {
		revision = fun.view.Traffic[0].Revision - 1
	}
	if revision < 1 || revision > len(fun.revisions) {
		return control.View{}, fn.WithHint(fn.Errorf(fn.NotFound, "%s has no revision %d", ref, revision),
			"rouse revisions %s shows those there are", ref.Name)
	}
	fun.serve(revision)
	return fun.view, nil
}

// serve sends all traffic to one revision.
func (fun *function) serve(number int) {
	fun.view.Traffic = []fn.Target{{Revision: number, Weight: 100}}
	fun.view.Spec = fun.revisions[number-1].Spec
	for i := range fun.revisions {
		fun.revisions[i].Weight = 0
	}
	fun.revisions[number-1].Weight = 100
}

// Remove implements native.Functions.
func (f *Fake) Remove(_ context.Context, ref fn.Ref) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.getLocked(ref); err != nil {
		return err
	}
	delete(f.functions, ref)
	delete(f.builds, ref)
	f.changedLocked()
	return nil
}

// HasSource implements native.Deployer.
func (f *Fake) HasSource(_ context.Context, digest string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sources[digest], nil
}

// AcceptSource implements native.Deployer.
func (f *Fake) AcceptSource(_ context.Context, r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("receiving the source: %w", err)
	}
	digest := "sha256:" + hex.EncodeToString(h.Sum(nil))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources[digest] = true
	return digest, nil
}

// Revisions implements native.Observer.
func (f *Fake) Revisions(_ context.Context, ref fn.Ref) ([]control.RevisionView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun, err := f.getLocked(ref)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(fun.revisions)
	slices.Reverse(out)
	return out, nil
}

// Instances implements native.Observer: one for each ready replica.
func (f *Fake) Instances(_ context.Context, ref fn.Ref) ([]control.InstanceView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun, err := f.getLocked(ref)
	if err != nil {
		return nil, err
	}
	var out []control.InstanceView
	for i := range fun.view.Replicas.Ready {
		out = append(out, control.InstanceView{
			ID:       fmt.Sprintf("%s-%d", ref.Name, i+1),
			Revision: fn.RevisionRef{Ref: ref, Number: fun.view.Traffic[0].Revision},
			State:    "ready", Calls: fun.calls, Started: Epoch,
			Usage: engine.Usage{Memory: 12 << 20, CPU: 1234 * time.Millisecond, Pids: 3},
		})
	}
	return out, nil
}

// Namespaces implements native.Namespaces.
func (f *Fake) Namespaces(context.Context) ([]fn.Namespace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []fn.Namespace
	for _, name := range slices.Sorted(maps.Keys(f.namespaces)) {
		out = append(out, f.namespaces[name])
	}
	return out, nil
}

// CreateNamespace implements native.Namespaces.
func (f *Fake) CreateNamespace(_ context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.namespaces[name]; ok {
		return fn.Namespace{}, fn.Errorf(fn.Conflict, "namespace %s exists already", name)
	}
	f.namespaces[name] = fn.Namespace{Name: name, Labels: labels, Annotations: annotations, Created: Epoch}
	return f.namespaces[name], nil
}

// UpdateNamespace implements native.Namespaces.
func (f *Fake) UpdateNamespace(_ context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ns, ok := f.namespaces[name]
	if !ok {
		return ns, fn.Errorf(fn.NotFound, "there is no namespace %s", name)
	}
	ns.Labels, ns.Annotations = labels, annotations
	f.namespaces[name] = ns
	return ns, nil
}

// DeleteNamespace implements native.Namespaces.
func (f *Fake) DeleteNamespace(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.namespaces[name]; !ok {
		return fn.Errorf(fn.NotFound, "there is no namespace %s", name)
	}
	for ref := range f.functions {
		if ref.Namespace == name {
			return fn.WithHint(fn.Errorf(fn.Conflict, "namespace %s has functions", name), "remove them first: rouse list -n %s", name)
		}
	}
	delete(f.namespaces, name)
	return nil
}

// Info implements native.System.
func (f *Fake) Info(context.Context) (control.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return control.Info{
		Version: "v0.0.0-test", Isolation: "full", URL: f.base, Domain: "rouse.localhost",
		Namespaces: len(f.namespaces), Functions: len(f.functions), Started: Epoch,
	}, nil
}

// Runtimes implements native.System.
func (f *Fake) Runtimes(context.Context) ([]control.Runtime, error) {
	return []control.Runtime{
		{Name: "exec", Summary: "Any program", Modes: []fn.Mode{fn.ModeServer, fn.ModeFork}, Available: true},
		{Name: "openfaas", Summary: "A build context of OpenFaaS", Modes: []fn.Mode{fn.ModeWatchdog, fn.ModeClassic}, Available: true},
		{Name: "python", Summary: "Python 3", Modes: []fn.Mode{fn.ModeHandler, fn.ModeServer}, Handler: "handler.py", Available: true},
		{Name: "ruby", Summary: "Ruby", Modes: []fn.Mode{fn.ModeHandler, fn.ModeServer}, Handler: "handler.rb", Missing: "apt-get install ruby"},
	}, nil
}

// Doctor implements native.System.
func (f *Fake) Doctor(context.Context) (engine.Report, error) {
	return engine.Report{Level: "full", Checks: []engine.Check{
		{Name: "mount namespace", OK: true},
		{Name: "memory limit (cgroup v1)", OK: true, Detail: "/sys/fs/cgroup/memory"},
		{Name: "landlock", Detail: "function not implemented", Fix: "use Linux 5.13 or newer"},
	}}, nil
}

// image is the form of the fake's backups.
type image struct {
	Namespaces []fn.Namespace
	Functions  []control.View
}

// Backup implements native.System.
func (f *Fake) Backup(ctx context.Context, w io.Writer) error {
	namespaces, _ := f.Namespaces(ctx)
	functions, _ := f.Functions(ctx, "", nil)
	return json.NewEncoder(w).Encode(image{namespaces, functions})
}

// Restore implements native.System.
func (f *Fake) Restore(_ context.Context, r io.Reader, replace bool) (control.BackupInfo, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return control.BackupInfo{}, fmt.Errorf("receiving the backup: %w", err)
	}
	var img image
	if err := json.Unmarshal(text, &img); err != nil {
		return control.BackupInfo{}, fn.Errorf(fn.Invalid, "this is not a backup: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.functions) > 0 && !replace {
		return control.BackupInfo{}, fn.WithHint(fn.Errorf(fn.Conflict, "there are functions already"), "restore with --replace to remove them first")
	}
	clear(f.functions)
	for _, ns := range img.Namespaces {
		f.namespaces[ns.Name] = ns
	}
	for _, v := range img.Functions {
		fun := &function{view: v}
		for n := range v.Latest {
			fun.revisions = append(fun.revisions, control.RevisionView{Revision: fn.Revision{
				RevisionRef: fn.RevisionRef{Ref: v.Ref, Number: n + 1}, Spec: v.Spec,
			}})
		}
		f.functions[v.Ref] = fun
	}
	f.changedLocked()
	return control.BackupInfo{
		Bytes: int64(len(text)), Namespaces: len(img.Namespaces), Functions: len(img.Functions), Revisions: len(img.Functions),
	}, nil
}

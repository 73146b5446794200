package native

import (
	"context"
	"io"
	"iter"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Control is what the native API needs of the platform. It is the sum of the
// small interfaces below. All methods may be called from several goroutines
// at once. Every error wraps an fn.Kind and, where the caller can do
// something, carries a hint (fn.WithHint) or is an *fn.Failure; several
// mistakes at once are joined with errors.Join. All names in requests have
// the right form already; that they exist is the callee's to check
// (fn.NotFound).
type Control interface {
	Functions
	Deployer
	Observer
	Namespaces
	Images
	Secrets
	System
}

// Functions reads and changes functions.
type Functions interface {
	// Functions lists functions in name order. An empty namespace means all;
	// labels must all match.
	Functions(ctx context.Context, namespace string, labels map[string]string) ([]control.View, error)
	// Function returns one function or fn.NotFound.
	Function(ctx context.Context, ref fn.Ref) (control.View, error)
	// Scale sets the number of instances, nil hands the function back to the
	// autoscaler. fn.Invalid outside 0…Scale.Max.
	Scale(ctx context.Context, ref fn.Ref, replicas *int) (control.View, error)
	// Rollback serves an earlier revision again, the one before the present
	// one if revision is 0. fn.NotFound if there is no such revision.
	Rollback(ctx context.Context, ref fn.Ref, revision int) (control.View, error)
	// Remove drains and deletes a function with all its revisions.
	Remove(ctx context.Context, ref fn.Ref) error
}

// Deployer makes new revisions.
type Deployer interface {
	// HasSource says whether an accepted source with that digest is still here.
	HasSource(ctx context.Context, digest string) (bool, error)
	// AcceptSource keeps a source archive (tar.gz) and returns its digest:
	// "sha256:" and the hex SHA-256 of the bytes read. It must not buffer the
	// body in memory. The reader fails with fn.TooLarge at the upload limit;
	// that error is passed on and nothing is kept.
	AcceptSource(ctx context.Context, r io.Reader) (digest string, err error)
	// Deploy builds, starts and probes a new revision, then moves traffic to
	// it. emit is called as it goes, never after Deploy has returned, from one
	// goroutine at a time. On an error nothing has changed. The error of a
	// failed build or start is an *fn.Failure with the last output lines.
	// ctx ending undoes the deploy.
	Deploy(ctx context.Context, d control.Deploy, emit func(control.Event)) (control.View, error)
}

// Observer shows what is inside a function.
type Observer interface {
	// Revisions lists the kept revisions, newest first.
	Revisions(ctx context.Context, ref fn.Ref) ([]control.RevisionView, error)
	// Instances lists what runs now, oldest first.
	Instances(ctx context.Context, ref fn.Ref) ([]control.InstanceView, error)
	// BuildOutput opens what the last build printed, text of a bounded size;
	// the caller closes it. fn.NotFound if there was none. The function need
	// not be there: its first build may have failed.
	BuildOutput(ctx context.Context, ref fn.Ref) (io.ReadCloser, error)
	// Logs yields lines in order of time. It yields an error last, or none.
	// With q.Follow it goes on until ctx ends or the function is removed, and
	// then ends without an error.
	Logs(ctx context.Context, ref fn.Ref, q control.LogQuery) iter.Seq2[control.LogLine, error]
}

// Namespaces manages tenant boundaries.
type Namespaces interface {
	// Namespaces lists all, in name order.
	Namespaces(ctx context.Context) ([]fn.Namespace, error)
	// CreateNamespace makes one; fn.Conflict if it exists.
	CreateNamespace(ctx context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error)
	// UpdateNamespace replaces labels and annotations; fn.NotFound if there
	// is none.
	UpdateNamespace(ctx context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error)
	// DeleteNamespace removes an empty one; fn.Conflict if it has functions
	// or is the default namespace.
	DeleteNamespace(ctx context.Context, name string) error
}

// Images says what references of images stand for.
type Images interface {
	// SetImage makes a reference stand for something else; fn.NotFound if
	// the source or revision is not there.
	SetImage(ctx context.Context, req control.ImageRequest) (fn.Image, error)
	// Images lists what was set, in order of reference.
	Images(ctx context.Context) ([]fn.Image, error)
	// RemoveImage forgets one; fn.NotFound if it was not set.
	RemoveImage(ctx context.Context, reference string) error
}

// Secrets manages what functions may know and nobody may read back.
type Secrets interface {
	// Secrets lists those of a namespace, in name order.
	Secrets(ctx context.Context, namespace string) ([]fn.Secret, error)
	// CreateSecret makes one; fn.Conflict if it exists, fn.TooLarge.
	CreateSecret(ctx context.Context, namespace, name string, value []byte) error
	// UpdateSecret gives one another value; fn.NotFound, fn.TooLarge.
	UpdateSecret(ctx context.Context, namespace, name string, value []byte) error
	// RemoveSecret deletes one; fn.NotFound.
	RemoveSecret(ctx context.Context, namespace, name string) error
}

// System is about the server as a whole.
type System interface {
	Info(ctx context.Context) (control.Info, error)
	Runtimes(ctx context.Context) ([]control.Runtime, error)
	Doctor(ctx context.Context) (engine.Report, error)
	// Backup writes a consistent copy of all state and artifacts to w.
	Backup(ctx context.Context, w io.Writer) error
	// Restore makes the state that of a backup, through the same validator as
	// every other door. It changes nothing if the backup is damaged or
	// invalid; fn.Conflict if there are functions already and replace is
	// false.
	Restore(ctx context.Context, r io.Reader, replace bool) (control.BackupInfo, error)
}

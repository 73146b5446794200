package openfaas

import (
	"context"
	"iter"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// Control is what this dialect needs of the platform, the sum of the small
// interfaces below. *control.Controller is the one there is; the rules are
// those of package native.
type Control interface {
	Functions
	Deployer
	Observer
	Namespaces
	Info(ctx context.Context) (control.Info, error)
}

// Functions reads and changes functions.
type Functions interface {
	Functions(ctx context.Context, namespace string, labels map[string]string) ([]control.View, error)
	Function(ctx context.Context, ref fn.Ref) (control.View, error)
	Scale(ctx context.Context, ref fn.Ref, replicas *int) (control.View, error)
	Remove(ctx context.Context, ref fn.Ref) error
}

// Deployer makes new revisions.
type Deployer interface {
	Deploy(ctx context.Context, d control.Deploy, emit func(control.Event)) (control.View, error)
	Revisions(ctx context.Context, ref fn.Ref) ([]control.RevisionView, error)
}

// Observer shows what is inside a function.
type Observer interface {
	Instances(ctx context.Context, ref fn.Ref) ([]control.InstanceView, error)
	Logs(ctx context.Context, ref fn.Ref, q control.LogQuery) iter.Seq2[control.LogLine, error]
}

// Namespaces manages tenant boundaries.
type Namespaces interface {
	Namespaces(ctx context.Context) ([]fn.Namespace, error)
	Namespace(ctx context.Context, name string) (fn.Namespace, error)
	CreateNamespace(ctx context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error)
	UpdateNamespace(ctx context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error)
	DeleteNamespace(ctx context.Context, name string) error
}

// Counter knows how often functions were called.
type Counter interface {
	// Calls is the number of a function's finished calls, failed ones included.
	Calls(ref fn.Ref) uint64
}

package openfaas

import (
	"errors"

	"rouse.dev/rouse/internal/fn"
)

// Deployment is what a client can ask for, for who reads it from elsewhere
// than a request: a stack file.
type Deployment struct {
	Name, Namespace  string // Namespace "" or DefaultNamespace: the default one
	Image            string // may be "" if the function is built
	Process          string // envProcess
	Env              map[string]string
	Constraints      []string
	Secrets          []string
	Labels           map[string]string
	Annotations      map[string]string
	Limits, Requests Resources
	ReadOnly         bool // readOnlyRootFilesystem
}

// Resources are quantities as Kubernetes writes them; "" for none.
type Resources struct{ Memory, CPU string }

// Meaning is what a deployment means here.
type Meaning struct {
	Spec                fn.Spec // without a runtime: the image says it, or who builds the function
	Labels, Annotations map[string]string
	Remarks             []string // parts that are kept without having an effect
}

// Translate says what a deployment means, as a request of the same words
// would. An Invalid error joins all mistakes.
func Translate(d Deployment) (Meaning, error) {
	req := &deployment{Service: d.Name, settings: settings{
		Image: d.Image, Process: d.Process, Env: d.Env, Constraints: d.Constraints, Secrets: d.Secrets,
		Labels: d.Labels, Annotations: d.Annotations, Limits: d.Limits.wire(), Requests: d.Requests.wire(), ReadOnly: d.ReadOnly,
	}}
	ref := fn.Ref{Namespace: namespaceIn(d.Namespace), Name: d.Name}
	out, remarks, err := deployOf(ref, req, nil)
	if err = errors.Join(fn.ValidateRef(ref), err); err != nil {
		return Meaning{}, err
	}
	return Meaning{Spec: out.Spec, Labels: out.Labels, Annotations: out.Annotations, Remarks: remarks}, nil
}

func (r Resources) wire() *resources { return unlessEmpty(&resources{Memory: r.Memory, CPU: r.CPU}) }

package cli

import (
	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

// namespaceOf is what a namespace of OpenFaaS's world is called here.
func namespaceOf(name string) string {
	if name == "" || name == openfaas.DefaultNamespace {
		return fn.DefaultNamespace
	}
	return name
}

// translate says what a function of a stack file means, as the server would if
// faas-cli sent it. notes are what has no effect here.
func translate(ref client.Ref, f stack.Function) (api.DeployRequest, []string, error) {
	d, err := openfaas.Translate(openfaas.Deployment{
		Name: ref.Name, Namespace: ref.Namespace, Image: f.Image, Process: f.FProcess, Env: f.Environment,
		Constraints: f.Constraints, Secrets: f.Secrets, Labels: f.Labels, Annotations: f.Annotations,
		Limits: resources(f.Limits), Requests: resources(f.Requests), ReadOnly: f.ReadOnly,
	})
	if err != nil {
		return api.DeployRequest{}, nil, err
	}
	spec, notes := wireSpec(d.Spec), d.Remarks
	if f.Built() {
		spec.Runtime, spec.Image = contextRuntime, f.Image
	}
	req := api.DeployRequest{Spec: spec, Labels: d.Labels, Annotations: d.Annotations}
	if !f.Built() {
		req.Image = f.Image
	}
	if f.Built() && f.Platforms != "" {
		notes = append(notes, "platforms: it is built for this server's machine")
	}
	if f.Built() && len(f.BuildSecrets) > 0 {
		notes = append(notes, "build_secrets: no line of the Dockerfile that could use them is run")
	}
	return req, notes, nil
}

func resources(r *stack.Resources) openfaas.Resources {
	if r == nil {
		return openfaas.Resources{}
	}
	return openfaas.Resources(*r)
}

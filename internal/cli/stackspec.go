package cli

import (
	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/manifest/stack"
)

// translate says what a function of a stack file means, as the server would if
// faas-cli sent it. notes are what has no effect here.
func translate(f stack.Function) (api.DeployRequest, []string, error) {
	d, err := deployment.Translate(&deployment.Request{Settings: deployment.Settings{
		Image: f.Image, Process: f.FProcess, Env: f.Environment,
		Constraints: f.Constraints, Secrets: f.Secrets, Labels: f.Labels, Annotations: f.Annotations,
		Limits: resources(f.Limits), Requests: resources(f.Requests), ReadOnly: f.ReadOnly,
	}}, nil)
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

func resources(r *stack.Resources) *deployment.Resources {
	if r == nil {
		return nil
	}
	return &deployment.Resources{Memory: r.Memory, CPU: r.CPU}
}

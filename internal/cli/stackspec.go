package cli

import (
	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

func namespaceOf(name string) string {
	if name == "" || name == "openfaas-fn" {
		return fn.DefaultNamespace
	}
	return name
}

func translate(ref client.Ref, f stack.Function) (api.DeployRequest, []string, error) {
	spec := api.Spec{Runtime: contextRuntime, Env: f.Environment}
	return api.DeployRequest{Spec: spec, Labels: f.Labels, Annotations: f.Annotations}, nil, nil
}

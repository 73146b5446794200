package openfaas

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func TestTranslateMeansWhatARequestMeans(t *testing.T) {
	env := map[string]string{"A": "b", "exec_timeout": "5s"}
	labels := map[string]string{"com.openfaas.scale.max": "3", "com.openfaas.scale.zero": "true", "team": "shop", nameLabel: "x"}
	got, err := Translate(Deployment{
		Name: "f", Namespace: DefaultNamespace, Image: "example/f", Process: "cat", Env: env, Secrets: []string{"key"},
		Labels: labels, Annotations: map[string]string{"topic": "t"}, Limits: Resources{Memory: "64Mi"}, Constraints: []string{"a=b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want, remarks, err := deployOf(fn.Ref{Namespace: fn.DefaultNamespace, Name: "f"}, &deployment{Service: "f", settings: settings{
		Image: "example/f", Process: "cat", Env: env, Secrets: []string{"key"}, Labels: labels,
		Annotations: map[string]string{"topic": "t"}, Limits: &resources{Memory: "64Mi"}, Constraints: []string{"a=b"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Meaning{want.Spec, want.Labels, want.Annotations, remarks}, got); diff != "" {
		t.Error(diff)
	}
	if got.Spec.Limits.Memory != 64<<20 || got.Spec.Limits.Timeout != 5*time.Second || got.Spec.Scale.Max != 3 || got.Spec.Env["fprocess"] != "cat" || len(got.Remarks) != 1 {
		t.Errorf("%+v", got)
	}
	_, err = Translate(Deployment{Name: "Bad_Name", Limits: Resources{CPU: "much"}, Labels: map[string]string{"com.openfaas.scale.zero": "perhaps"}})
	if !errors.Is(err, fn.Invalid) || len(fn.MistakesOf(err)) < 3 {
		t.Errorf("mistakes: %v", err)
	}
}

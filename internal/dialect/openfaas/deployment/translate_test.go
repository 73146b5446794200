package deployment

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func TestDeploymentMeansASpecAndIsDescribedAsItWasSent(t *testing.T) {
	sent := Settings{
		Image: "example/f", Process: "cat", Env: map[string]string{"A": "b", "exec_timeout": "5s"}, Secrets: []string{"key"},
		Labels:      map[string]string{"com.openfaas.scale.max": "3", "com.openfaas.scale.zero": "true", "team": "shop"},
		Annotations: map[string]string{"topic": "t"}, Limits: &Resources{Memory: "64Mi"}, Constraints: []string{"a=b"}, ReadOnly: true,
	}
	sent.Labels[nameLabel] = "x" // the platform's, whatever it says
	got, err := Translate(&Request{Service: "f", Namespace: DefaultNamespace, Settings: sent}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := got.Spec
	if s.Limits.Memory != 64<<20 || s.Limits.Timeout != 5*time.Second || s.Scale.Max != 3 || s.Scale.Activation != 1 ||
		s.Env["fprocess"] != "cat" || s.Image != "example/f" || len(s.Secrets) != 1 || len(got.Remarks) != 1 {
		t.Errorf("%+v", got)
	}
	if _, ok := got.Labels[nameLabel]; ok || got.Labels["team"] != "shop" || got.Annotations["topic"] != "t" || sent.Labels[nameLabel] != "x" {
		t.Errorf("labels %v, annotations %v, sent %v", got.Labels, got.Annotations, sent.Labels)
	}
	sent.Labels[nameLabel] = "f"
	if diff := cmp.Diff(sent, Describe("f", got.Spec, got.Labels, got.Annotations)); diff != "" {
		t.Error(diff)
	}
}

func TestRevisionStaysAsItIsWhereADeploymentSaysNothing(t *testing.T) {
	base := fn.Revision{Spec: fn.Spec{Runtime: "python", Env: map[string]string{"A": "b"}}}
	base.Spec.Limits.Memory, base.Spec.Scale.Max = 1<<30, 9
	got, err := Translate(&Request{Settings: Settings{Image: "i", Env: map[string]string{"C": "d"}}}, &base)
	if err != nil {
		t.Fatal(err)
	}
	want := base.Spec
	want.Image, want.Env = "i", map[string]string{"C": "d"}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Error(diff)
	}
}

func TestAllMistakesOfADeploymentAreToldAtOnce(t *testing.T) {
	_, err := Translate(&Request{Service: "f", Settings: Settings{
		Env: map[string]string{"not a name": ""}, Limits: &Resources{CPU: "much"},
		Labels: map[string]string{"com.openfaas.scale.zero": "perhaps"}, Annotations: map[string]string{Kept + "x": ""},
	}}, nil)
	if !errors.Is(err, fn.Invalid) || len(fn.MistakesOf(err)) != 4 {
		t.Errorf("mistakes: %v", err)
	}
}

package client_test

import (
	"errors"
	"strings"
	"testing"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func TestSecrets(t *testing.T) {
	s, c := start(t)
	ctx := t.Context()
	if _, err := c.CreateNamespace(ctx, "team", nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.CreateSecret(ctx, "", "db.key", []byte("one")), c.CreateSecret(ctx, "team", "a", nil)); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateSecret(ctx, "default", "db.key", []byte("two")); kind(err) != "conflict" {
		t.Errorf("made twice: %v", err)
	}
	if err := c.UpdateSecret(ctx, "", "db.key", []byte("\x00\xff")); err != nil {
		t.Fatal(err)
	}
	if v, ok := s.SecretValue("default", "db.key"); !ok || v != "\x00\xff" {
		t.Errorf("stored %q", v)
	}
	if v, ok := s.SecretValue("team", "a"); !ok || v != "" {
		t.Errorf("stored %q, %v", v, ok)
	}
	list, err := c.Secrets(ctx, "")
	if err != nil || len(list) != 1 || list[0].Name != "db.key" || list[0].Namespace != client.DefaultNamespace {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = c.Deploy(ctx, client.Ref{Name: "f"}, api.DeployRequest{
		Artifact: "sha256:" + strings.Repeat("0", 64), Spec: api.Spec{Runtime: "python", Secrets: []string{"none"}},
	}, nil)
	if kind(err) != "invalid" {
		t.Errorf("a deploy that names a secret that is not there: %v", err)
	}
	for _, err := range []error{c.RemoveSecret(ctx, "", "../namespaces/team"), c.RemoveSecret(ctx, "", "a/b?c")} {
		if kind(err) != "invalid" {
			t.Errorf("names are not escaped: %v", err)
		}
	}
	if err := c.RemoveSecret(ctx, "team", "a"); err != nil {
		t.Error(err)
	}
	if err := c.RemoveSecret(ctx, "team", "a"); kind(err) != "not-found" {
		t.Error(err)
	}
	if err := c.UpdateSecret(ctx, "team", "a", nil); kind(err) != "not-found" {
		t.Error(err)
	}
}

package client_test

import (
	"strings"
	"testing"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func TestImageStandsForWhatAFunctionRuns(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	if _, err := c.SetImage(ctx, api.ImageRequest{Reference: "a/b", Function: "nobody"}); kind(err) != "not-found" {
		t.Errorf("of no function: %v", err)
	}
	if _, err := c.SetImage(ctx, api.ImageRequest{Reference: "a b"}); kind(err) != "invalid" {
		t.Errorf("no reference: %v", err)
	}
	if _, err := c.SetImage(ctx, api.ImageRequest{Reference: "a/b", Source: "sha256:" + strings.Repeat("0", 64), Spec: api.Spec{Runtime: "python"}}); kind(err) != "not-found" {
		t.Errorf("a source that is not there: %v", err)
	}
	digest, err := c.UploadSource(ctx, strings.NewReader("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deploy(ctx, client.Ref{Name: "f"}, api.DeployRequest{Source: digest, Spec: api.Spec{Runtime: "python"}}, nil); err != nil {
		t.Fatal(err)
	}
	odd := "registry.test:5000/a/b@sha256:" + strings.Repeat("0", 64)
	for _, reference := range []string{"shop:stable", odd} {
		img, err := c.SetImage(ctx, api.ImageRequest{Reference: reference, Function: "f"})
		if err != nil || img.From != "default/f:1" || img.Artifact == "" || img.Source != "" {
			t.Errorf("%s: %+v, %v", reference, img, err)
		}
	}
	if err := c.RemoveImage(ctx, odd); err != nil {
		t.Error(err)
	}
	for _, reference := range []string{"x&reference=shop:stable", odd} {
		if err := c.RemoveImage(ctx, reference); kind(err) != "not-found" {
			t.Errorf("removing %s: %v", reference, err)
		}
	}
	if all, err := c.Images(ctx); err != nil || len(all) != 1 || all[0].Reference != "shop:stable" {
		t.Errorf("%+v, %v", all, err)
	}
}

package control

import (
	"errors"
	"regexp"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/timer"
)

// ValidateFunction checks a function as it is stored: every mistake at once.
func ValidateFunction(f fn.Function) error {
	errs := []error{
		fn.ValidateRef(f.Ref),
		fn.ValidateLabels("labels", f.Labels),
		fn.ValidateLabels("annotations", f.Annotations),
		ValidateTriggers(f.Annotations),
		fn.ValidateSpec(f.Spec),
		fn.ValidateTraffic(f.Traffic, f.Latest),
	}
	if f.Replicas != nil {
		errs = append(errs, validateReplicas(*f.Replicas, f.Spec.Scale.Max))
	}
	return errors.Join(errs...)
}

// ValidateTriggers checks the annotations that say when and how a function is
// called without a caller who waits.
func ValidateTriggers(annotations map[string]string) error {
	return errors.Join(async.Validate(annotations), timer.Validate(annotations))
}

func validateReplicas(n, most int) error {
	if n >= 0 && n <= most {
		return nil
	}
	var ms fn.Mistakes
	ms.Add("replicas", "must be between 0 and scale.max (%d), got %d", most, n)
	return fn.WithHint(ms.Err(), "raise scale.max in rouse.yaml and deploy again")
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ValidateRevision checks a revision as it is stored.
func ValidateRevision(r fn.Revision) error {
	var ms fn.Mistakes
	if r.Number < 1 {
		ms.Add("number", "must be at least 1, got %d", r.Number)
	}
	if !digestForm.MatchString(r.Artifact.Digest) {
		ms.Add("artifact.digest", "%.80q is not a sha256 digest", r.Artifact.Digest)
	}
	if len(r.Artifact.Program.Command) == 0 {
		ms.Add("artifact.program.command", "is empty")
	}
	return errors.Join(fn.ValidateRef(r.Ref), fn.ValidateSpec(r.Spec), ms.Err())
}

// ValidateImage checks an image as it is stored.
func ValidateImage(img fn.Image) error {
	var ms fn.Mistakes
	switch {
	case (img.Tree == "") == (img.Artifact == nil):
		ms.Add("tree", "exactly one of tree and artifact must be given")
	case img.Artifact != nil && !digestForm.MatchString(img.Artifact.Digest):
		ms.Add("artifact.digest", "%.80q is not a sha256 digest", img.Artifact.Digest)
	case img.Artifact != nil && len(img.Artifact.Program.Command) == 0:
		ms.Add("artifact.program.command", "is empty")
	case img.Tree != "" && !digestForm.MatchString(img.Tree):
		ms.Add("tree", "%.80q is not a sha256 digest", img.Tree)
	}
	spec := img.Spec
	spec.Policy = spec.WithDefaults(fn.Default())
	return errors.Join(ms.Err(), fn.ValidateSpec(spec))
}

// treeOf is the folder among the artifacts that an image needs.
func treeOf(img fn.Image) string {
	if img.Artifact != nil {
		return artifactName(img.Artifact.Digest)
	}
	return artifactName(img.Tree)
}

// sameKey makes sure that an object is stored under its own name.
func sameKey(o store.Object, want store.Key, errs ...error) error {
	err := errors.Join(errs...)
	if o.Key != want {
		err = errors.Join(err, fn.Mistake{Field: "key", Reason: "is not the object's own name"})
	}
	return err
}

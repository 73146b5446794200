package openfaas

import (
	"fmt"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

// statusOf describes a function.
func statusOf(v control.View, calls uint64) status {
	s := status{
		Name: v.Name, Namespace: deployment.NamespaceOut(v.Namespace),
		Settings: deployment.Describe(v.Name, v.Spec, v.Labels, v.Annotations),
		Calls:    calls, Replicas: wanted(v), Available: v.Replicas.Ready + v.Replicas.Busy + v.Replicas.Frozen,
		Created: v.Created,
	}
	if s.Image == "" {
		s.Image = localImage(v)
	}
	return s
}

// wanted is how many instances there are to be, at once after it was said.
// Traffic may want more than was said; those that start then are not counted,
// for they may be what was not wanted any more.
func wanted(v control.View) int {
	r := v.Replicas
	there := r.Ready + r.Busy + r.Frozen
	if n := v.Function.Replicas; n != nil {
		return max(*n, there)
	}
	return max(v.Spec.Scale.Min, there+r.Starting)
}

// localRegistry begins the images of functions that have none: deployed from
// source, they are known by the revision that serves.
const localRegistry = "rouse.local/"

func localImage(v control.View) string {
	number, weight := v.Latest, -1
	for _, t := range v.Traffic {
		if t.Weight > weight {
			number, weight = t.Revision, t.Weight
		}
	}
	return fmt.Sprintf("%s%s/%s:%d", localRegistry, v.Namespace, v.Name, number)
}

// revisionOf reads the image of a revision; ok is false if it is another kind
// of image.
func revisionOf(image string) (rev fn.RevisionRef, ok bool, err error) {
	path, ok := strings.CutPrefix(image, localRegistry)
	if !ok {
		return rev, false, nil
	}
	namespace, rest, _ := strings.Cut(path, "/")
	name, tag, _ := strings.Cut(rest, ":")
	rev.Namespace, rev.Name = deployment.NamespaceIn(namespace), name
	if rev.Number, err = strconv.Atoi(tag); err != nil || rev.Number < 1 || namespace == "" || fn.ValidateRef(rev.Ref) != nil {
		return rev, true, fn.Mistake{Field: "image", Reason: clip(image) + " names no revision: write " + localRegistry + "NAMESPACE/NAME:REVISION"}
	}
	return rev, true, nil
}

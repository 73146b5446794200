package fn

import (
	"strings"
	"time"
)

// Image is a reference and what stands for it here, in the place of an image
// of a container. One of Tree and Artifact is set.
type Image struct {
	Reference string    `json:"reference"`          // as given
	Tree      string    `json:"tree,omitempty"`     // "sha256:…" of a source, built where it is deployed
	Artifact  *Artifact `json:"artifact,omitempty"` // built already
	From      string    `json:"from,omitempty"`     // the revision that Artifact is from: "default/hello:3"
	Spec      Spec      `json:"spec"`               // what deploys begin with; a zero field means the server's default
	Created   time.Time `json:"created"`
}

// ImageRef is a reference in its parts, with what the world of containers
// leaves out filled in: "alpine" is docker.io/library/alpine:latest.
type ImageRef struct {
	Registry   string // "docker.io", "127.0.0.1:5000"
	Repository string // "library/alpine"
	Tag        string // "latest"; "" if there is a digest
	Digest     string // "sha256:…" or ""
}

const (
	dockerHub = "docker.io"
	latestTag = "latest"
)

// ParseImage reads a reference; an Invalid error if it is none.
func ParseImage(ref string) (ImageRef, error) {
	var ms Mistakes
	if validateImage(&ms, ref); ref == "" {
		ms.Add("image", "is empty")
	}
	if err := ms.Err(); err != nil {
		return ImageRef{}, err
	}
	rest, digest, _ := strings.Cut(ref, "@")
	out := ImageRef{Registry: dockerHub, Digest: digest}
	if first, after, ok := strings.Cut(rest, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		out.Registry, rest = first, after
	}
	if out.Registry == "index.docker.io" {
		out.Registry = dockerHub
	}
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, '/') {
		rest, out.Tag = rest[:colon], rest[colon+1:]
	} else if digest == "" {
		out.Tag = latestTag
	}
	bad := rest == "" || strings.HasSuffix(rest, "/") || strings.HasSuffix(ref, ":") || strings.HasSuffix(ref, "@")
	if bad {
		return ImageRef{}, Mistake{Field: "image", Reason: quote(ref) + " is not an image reference: NAME[:TAG]"}
	}
	if out.Registry == dockerHub && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	out.Repository = rest
	return out, nil
}

// Name is the reference without tag and digest: "docker.io/library/alpine".
func (r ImageRef) Name() string { return r.Registry + "/" + r.Repository }

// String returns the whole reference: the same for all ways to write it.
func (r ImageRef) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

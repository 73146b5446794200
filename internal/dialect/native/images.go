package native

import (
	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

func listImages(c *call, _ none) (api.ImageList, error) {
	all, err := c.Control.Images(c.r.Context())
	out := api.ImageList{Images: make([]api.Image, 0, len(all))}
	for _, img := range all {
		out.Images = append(out.Images, imageOf(img))
	}
	return out, err
}

func setImage(c *call, req api.ImageRequest) (api.Image, error) {
	var ms fn.Mistakes
	in := control.ImageRequest{Reference: req.Reference, Source: req.Source, Spec: readSpec(&ms, req.Spec)}
	if req.Source != "" {
		if err := validDigest("source", req.Source); err != nil {
			ms = append(ms, err)
		}
	}
	if req.Source == "" && req.Function == "" {
		ms.Add("source", "give a source or a function: what the reference is to stand for")
	}
	if req.Function != "" || req.Namespace != "" || req.Revision != 0 {
		in.Revision = fn.RevisionRef{Ref: fn.Ref{Namespace: req.Namespace, Name: req.Function}, Number: req.Revision}
		if in.Revision.Namespace == "" {
			in.Revision.Namespace = fn.DefaultNamespace
		}
	}
	if err := ms.Err(); err != nil {
		return api.Image{}, err
	}
	img, err := c.Control.SetImage(c.r.Context(), in)
	return imageOf(img), err
}

func removeImage(c *call, _ none) (none, error) {
	return none{}, c.Control.RemoveImage(c.r.Context(), c.r.URL.Query().Get("reference"))
}

func imageOf(img fn.Image) api.Image {
	out := api.Image{Reference: img.Reference, Source: img.Tree, From: img.From, Spec: specOf(img.Spec), Created: img.Created}
	if img.Artifact != nil {
		out.Artifact = img.Artifact.Digest
	}
	return out
}

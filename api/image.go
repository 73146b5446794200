package api

import "time"

// Image is a reference and what stands for it on this server, in the place of
// an image of a container.
type Image struct {
	Reference string    `json:"reference"`          // as given
	Source    string    `json:"source,omitempty"`   // digest of a source, built where it is deployed
	Artifact  string    `json:"artifact,omitempty"` // digest of what is built already
	From      string    `json:"from,omitempty"`     // the revision Artifact is from: "default/hello:3"
	Spec      Spec      `json:"spec"`               // what deploys begin with; an empty field means the server's default
	Created   time.Time `json:"created"`
}

// ImageRequest makes a reference stand for an uploaded source, or for what a
// function runs.
type ImageRequest struct {
	Reference string `json:"reference"`
	Source    string `json:"source,omitempty"` // digest of an uploaded source, with Spec
	Spec      Spec   `json:"spec,omitzero"`

	Function  string `json:"function,omitempty"`  // name of a function, without Source
	Namespace string `json:"namespace,omitempty"` // of Function; "default" if empty
	Revision  int    `json:"revision,omitempty"`  // of Function; 0: the one with the most traffic
}

// ImageList is the answer to a list request.
type ImageList struct {
	Images []Image `json:"images"`
}

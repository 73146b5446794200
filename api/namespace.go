package api

import "time"

// Namespace is a tenant boundary.
type Namespace struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Created     time.Time         `json:"created,omitzero"` // set by the server
}

// NamespaceList is the answer to a list request.
type NamespaceList struct {
	Namespaces []Namespace `json:"namespaces"`
}

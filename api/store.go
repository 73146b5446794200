package api

// Store is a list of functions that are deployed by reference, in the form of
// OpenFaaS's function stores.
type Store struct {
	Version   string          `json:"version"`
	Functions []StoreFunction `json:"functions"`
}

// StoreFunction is one of them.
type StoreFunction struct {
	Title       string            `json:"title"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Author      string            `json:"author,omitempty"`
	Icon        string            `json:"icon,omitempty"` // address of a picture
	Images      map[string]string `json:"images"`         // by platform: x86_64, arm64, armhf
	Process     string            `json:"fprocess,omitempty"`
	Repository  string            `json:"repo_url"`
}

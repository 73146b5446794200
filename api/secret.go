package api

import "time"

// Secret is a named value that functions of its namespace may read as a file.
// The value itself is never shown.
type Secret struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"` // when its value was last set
}

// SecretList is the answer to a list request.
type SecretList struct {
	Secrets []Secret `json:"secrets"`
}

// NewSecret asks to make a secret.
type NewSecret struct {
	Name  string `json:"name"`
	Value []byte `json:"value"` // at most 1 MiB before it is base64
}

// SecretValue asks to give a secret another value.
type SecretValue struct {
	Value []byte `json:"value"` // at most 1 MiB before it is base64
}

package api

// DeployRequest makes a new revision of a function. Exactly one of Source,
// Artifact, Revision and Image says what it runs.
type DeployRequest struct {
	Spec        Spec              `json:"spec"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	Source   string `json:"source,omitempty"`   // digest of an uploaded source, to be built
	Artifact string `json:"artifact,omitempty"` // digest of an artifact the server has
	Revision int    `json:"revision,omitempty"` // number of a revision of this function whose artifact is used again
	Image    string `json:"image,omitempty"`    // reference of an image the server knows, see Image; Spec then wins over the image's, field by field
}

// DeployEvent is one line of a deploy's answer: progress while it runs, last
// an event that carries Function or Error.
type DeployEvent struct {
	Step   string `json:"step,omitempty"`   // "source", "build", "revision", "start", "switch" …
	Line   string `json:"line,omitempty"`   // a line of output or a remark about the step
	Done   bool   `json:"done,omitempty"`   // the step has ended well
	Cached bool   `json:"cached,omitempty"` // with Done: nothing had to be done
	Ms     int64  `json:"ms,omitempty"`     // with Done: milliseconds the step took

	Function *Function `json:"function,omitempty"` // last event of a deploy that worked
	Error    *Error    `json:"error,omitempty"`    // last event of one that did not; nothing was changed
}

// Source names an uploaded source archive.
type Source struct {
	Digest string `json:"digest"` // "sha256:" and the hex SHA-256 of the bytes as uploaded
}

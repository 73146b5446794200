package build

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Phase is what a failed build says in fn.Failure.Phase.
const Phase fn.Phase = "build"

// Request asks for an artifact.
type Request struct {
	Ref          fn.Ref
	Spec         fn.Spec // with defaults filled in
	Source       string  // folder of the unpacked source; a build only reads it
	SourceDigest string  // of that folder's content, see package source
}

// Builder makes artifacts. Methods may be called from several goroutines at
// once.
type Builder interface {
	// Build makes the artifact of req and puts it where artifacts are kept,
	// durably, before it returns. progress is called as it goes, from one
	// goroutine at a time and never after Build has returned; it must not
	// block for long. ctx ending stops the build. Errors: Invalid for what
	// the author must mend (a failed step is an *fn.Failure with the last
	// output lines), TooLarge, Timeout, Canceled, Unavailable, Internal.
	// After an error nothing is left behind.
	Build(ctx context.Context, req Request, progress func(Event)) (fn.Artifact, error)
}

// Keyed is implemented by builders that can say beforehand what an artifact
// depends on.
type Keyed interface {
	Builder
	// Key returns a short text, safe as a file name, that is the same for two
	// requests only if one's artifact will do for the other. Its errors are
	// those Build would begin with.
	Key(ctx context.Context, req Request) (string, error)
}

// Event is progress of a build. A step begins with an Event that has Step
// alone, goes on with Lines, and if it ends well ends with Done.
type Event struct {
	Step   string        // "dependencies", "compile", …; "queue" while waiting
	Line   string        // one line of output, valid UTF-8 without control characters but tab
	Done   bool          // the step has ended well
	Cached bool          // with Done: nothing had to be done
	Took   time.Duration // with Done
}

package control

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pool"
)

// platformDir is where a sandbox sees this program, if its runtime needs it.
const platformDir = "/rouse"

// Launcher tells a pool how to start revisions. It is apart from Controller
// because the pool must exist before the controller does.
type Launcher struct{ c *Controller }

// Bind gives the launcher its controller, before the pool runs.
func (l *Launcher) Bind(c *Controller) { l.c = c }

// Launch implements pool.Source.
func (l *Launcher) Launch(ctx context.Context, rev fn.RevisionRef) (pool.Launch, error) {
	r, err := l.c.revision(ctx, rev)
	if err != nil {
		return pool.Launch{}, err
	}
	return l.c.launch(r)
}

func (c *Controller) launch(r fn.Revision) (pool.Launch, error) {
	root, err := c.artifactDir(r.Artifact.Digest)
	if err != nil {
		return pool.Launch{}, err
	}
	program := sized(r.Artifact.Program, r.Spec.Limits)
	env := make(map[string]string, len(r.Spec.Env)+len(program.Env)+3)
	maps.Copy(env, program.Env)
	maps.Copy(env, r.Spec.Env)
	env["ROUSE_FUNCTION"] = r.Name
	env["ROUSE_NAMESPACE"] = r.Namespace
	env["ROUSE_REVISION"] = strconv.Itoa(r.Number)
	l := pool.Launch{
		Root: root, Program: program, Env: env,
		Policy: r.Spec.Policy,
	}
	if len(r.Spec.Secrets) > 0 {
		env[secretsEnv] = secretsDir
		l.Files = func(ctx context.Context) ([]engine.File, error) { return c.secretFiles(ctx, r.Ref, r.Spec.Secrets) }
	}
	if strings.HasPrefix(r.Artifact.Program.Command[0], platformDir+"/") {
		l.Mounts = []engine.Mount{{Source: c.cfg.Binary, Target: platformDir + "/rouse"}}
	}
	return l, nil
}

// artifactDir is the folder of an artifact.
func (c *Controller) artifactDir(digest string) (string, error) {
	if !digestForm.MatchString(digest) {
		return "", fn.Errorf(fn.Internal, "%.80q is not an artifact digest", digest)
	}
	return filepath.Join(c.cfg.Artifacts, artifactName(digest)), nil
}

// artifactName is the name of an artifact's folder.
func artifactName(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

// revisionDigest names a revision by what it is made of.
func revisionDigest(artifact string, spec fn.Spec) (string, error) {
	b, err := encode(struct {
		Artifact string
		Spec     fn.Spec
	}{artifact, spec})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", sum256(b)), nil
}

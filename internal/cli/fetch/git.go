package fetch

import (
	"bytes"
	"context"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// gitConfig is what git is told before anything else: no hook, no helper of
// the file system, no other way to reach a repository than those of schemes.
var gitConfig = []string{
	"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never",
	"-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always",
	"-c", "protocol.git.allow=always", "-c", "protocol.file.allow=always",
	"-c", "submodule.recurse=false", "-c", "advice.detachedHead=false",
}

// clone writes the files of one commit to dir, an empty folder.
func clone(ctx context.Context, s Source, dir string) error {
	if s.SHA == "" {
		args := []string{"clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules"}
		if s.Ref != "" {
			args = append(args, "--branch="+s.Ref)
		}
		return git(ctx, s, "", append(args, "--", s.URL, dir)...)
	}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", s.URL, s.SHA},
		{"checkout", "--quiet", "--detach", "FETCH_HEAD"},
	} {
		if err := git(ctx, s, dir, args...); err != nil {
			return err
		}
	}
	return nil
}

// git runs one command; the environment is this program's, without what would
// point git at another repository.
func git(ctx context.Context, s Source, dir string, args ...string) error {
	program, err := exec.LookPath("git")
	if err != nil {
		return fn.WithHint(fn.Errorf(fn.Unavailable, "templates of a repository are fetched by the program git, which is not here"),
			"install git, or name a folder with templates")
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append(append([]string{}, gitConfig...), args...)...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	cmd.Stderr = &tail{Buffer: &said}
	for _, kv := range cmd.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "GIT_") || name == "GIT_SSH" || name == "GIT_SSH_COMMAND" || strings.HasPrefix(name, "GIT_SSL_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL="+strings.Join(schemes, ":"))
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	text := strings.ReplaceAll(strings.TrimSpace(said.String()), s.URL, s.String())
	return fn.WithHint(fn.Errorf(fn.Unavailable, "fetching %s: git: %s", s, strings.ReplaceAll(text, "\n", " · ")),
		"look whether the address and the branch, tag or commit are right")
}

// tail keeps the first maxSaid bytes of what a program says.
type tail struct{ *bytes.Buffer }

const maxSaid = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	if room := maxSaid - t.Len(); room > 0 {
		t.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// fileURL makes a folder an address for git.
func fileURL(dir string) string { return (&url.URL{Scheme: "file", Path: dir}).String() }

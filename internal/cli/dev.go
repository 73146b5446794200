package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/pack"
	"rouse.dev/rouse/internal/cli/watch"
)

func (c *cli) devCommand() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Deploy a function again whenever a file of it is saved",
		Long: `Deploy the function in a folder, show what it prints, and deploy it again
whenever the content of a file changes. A mistake leaves the revision before it
in service. Without a server on this machine one is started, for as long as
this command runs.`,
		Example: "  rouse dev hello",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.take(args); err != nil {
				return err
			}
			err := c.dev(cmd.Context(), s)
			if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil // to be interrupted is how it ends
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().Lookup("file").Hidden = true // one folder is watched
	c.namespaceFlag(cmd, &s.namespace)
	return cmd
}

func (c *cli) dev(ctx context.Context, s selection) (err error) {
	if s.file != "" {
		return usage(errors.New("dev watches a folder, not a manifest: name the folder"))
	}
	if _, err := c.targets(s); err != nil {
		return err
	}
	stop, err := c.ensureServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cl, err := c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	return c.watchFolder(ctx, cl, s)
}

func (c *cli) watchFolder(ctx context.Context, cl *client.Client, s selection) error {
	dir := c.path(s.dir)
	ignored, err := pack.Ignore(dir)
	if err != nil {
		return err
	}
	w, err := watch.New([]string{dir}, func(_, name string, isDir bool) bool { return ignored(name, isDir) })
	if err != nil {
		return err
	}
	defer w.Close()
	p := c.newProgress(0)
	defer p.Close()
	l := &devLoop{cli: c, client: cl, progress: p, live: map[string]string{}, logs: map[string]bool{}, began: c.Now()}
	ctx, cancel := context.WithCancel(ctx)
	defer l.followers.Wait() // after cancel
	defer cancel()
	for {
		l.round(ctx, s)
		p.Begin("watching " + filepath.Clean(s.dir))
		if err := w.Next(ctx); err != nil {
			return err
		}
		p.End()
	}
}

// devLoop deploys what has changed.
type devLoop struct {
	*cli
	client   *client.Client
	progress *progress
	began    time.Time
	live     map[string]string // name → content and settings that serve

	printed   shownLines // by functions
	followers sync.WaitGroup
	mu        sync.Mutex      // guards logs
	logs      map[string]bool // name → its log is being followed
}

// round deploys every function of the folder that is not live as it is now,
// and says what is wrong with those that cannot be.
func (l *devLoop) round(ctx context.Context, s selection) {
	targets, err := l.targets(s)
	if err != nil {
		l.complain(err)
		return
	}
	for _, t := range targets {
		if err := l.deploy(ctx, t); err != nil && ctx.Err() == nil {
			l.complain(err)
		}
	}
}

func (l *devLoop) deploy(ctx context.Context, t target) error {
	began := time.Now()
	archive, err := pack.Folder(t.dir)
	if err != nil {
		return err
	}
	defer archive.Close()
	t.req.Source = archive.Digest
	key, err := json.Marshal(t.req)
	if err != nil {
		return fmt.Errorf("comparing with what is live: %w", err)
	}
	before, again := l.live[t.name()]
	if before == string(key) {
		return nil
	}
	v := &deployView{progress: l.progress, quiet: again}
	v.header(t)
	if err := l.upload(ctx, l.client, v, archive); err != nil {
		return err
	}
	f, err := l.client.Deploy(ctx, t.ref, t.req, v.event)
	if err != nil {
		return untold(untold(err, &v.shown), &l.printed)
	}
	l.live[t.name()] = string(key)
	l.progress.End()
	l.progress.Print(l.liveLine(t, f, time.Since(began)))
	l.followLog(ctx, t)
	return nil
}

func (l *devLoop) liveLine(t target, f api.Function, d time.Duration) string {
	return fmt.Sprintf("%s %s revision %s is live after %s  %s",
		l.errLook.good.Render("✓"), l.errLook.bold.Render(t.name()), traffic(f.Traffic), took(d), f.Status.URL)
}

func (l *devLoop) complain(err error) {
	var text strings.Builder
	printError(&text, l.errLook, meaning(err), nil)
	l.progress.End()
	l.progress.Print(strings.TrimSuffix(text.String(), "\n"))
}

// followLog shows what a function prints, unless that is done already.
func (l *devLoop) followLog(ctx context.Context, t target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.logs[t.name()] {
		return
	}
	l.logs[t.name()] = true
	l.followers.Go(func() {
		for line, err := range l.client.Logs(ctx, t.ref, client.LogOptions{Follow: true, Since: l.began}) {
			if err != nil {
				break // the next deploy follows again
			}
			l.printed.add(line.Text)
			l.progress.Print(l.errLook.faint.Render(t.name()+" │ ") + printable(line.Text))
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.logs[t.name()] = false
	})
}

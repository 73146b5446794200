package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/pack"
	"rouse.dev/rouse/internal/cli/shrinkwrap"
)

// stackRun deploys functions of a stack file.
type stackRun struct {
	*cli
	client   *client.Client
	project  string // folder
	progress *progress

	failed sync.Once
	stop   chan struct{} // closed by the first failure
}

// all deploys so many at once. After one has failed no other is begun; those
// under way end as they would.
func (r *stackRun) all(ctx context.Context, targets []stackTarget, parallel int) ([]api.Function, error) {
	done, errs := make([]api.Function, len(targets)), make([]error, len(targets))
	parallel = min(parallel, len(targets))
	if parallel > 1 {
		r.progress.Begin("deploying " + count(len(targets), "function"))
	}
	next := make(chan int)
	var crew sync.WaitGroup
	for range parallel {
		crew.Go(func() {
			for i := range next {
				v := &deployView{progress: r.progress}
				if parallel > 1 {
					v.name = targets[i].ref.Name
				}
				if done[i], errs[i] = r.one(ctx, v, targets[i]); errs[i] != nil {
					r.failed.Do(func() { close(r.stop) })
				}
			}
		})
	}
	r.feed(next, len(targets))
	crew.Wait()
	return r.sift(done, errs)
}

// feed hands out the numbers below n until something has failed.
func (r *stackRun) feed(next chan<- int, n int) {
	defer close(next)
	for i := range n {
		select {
		case <-r.stop:
			return
		default: // or both would be ready, and the choice a coin's
		}
		select {
		case next <- i:
		case <-r.stop:
			return
		}
	}
}

// sift returns what was deployed. Of several errors the first is the answer,
// the others are told before.
func (r *stackRun) sift(done []api.Function, errs []error) ([]api.Function, error) {
	var out []api.Function
	var names []string
	var first error
	for i, err := range errs {
		switch {
		case err == nil && done[i].Name != "":
			out, names = append(out, done[i]), append(names, done[i].Name)
		case err != nil && first == nil:
			first = err
		case err != nil:
			printError(r.Err, r.errLook, meaning(err), nil)
		}
	}
	if first != nil && len(names) > 0 {
		r.note("deployed before: %s", strings.Join(names, ", "))
	}
	return out, first
}

// one deploys one function, from a build context if it is to be built.
func (r *stackRun) one(ctx context.Context, v *deployView, t stackTarget) (api.Function, error) {
	if t.context == nil {
		return r.deployOne(ctx, r.client, v, &t.target)
	}
	dir, err := os.MkdirTemp("", "rouse-context-")
	if err != nil {
		return api.Function{}, fmt.Errorf("making a folder for the build context: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := t.write(r.project, dir); err != nil {
		return api.Function{}, err
	}
	t.dir, t.pack = dir, pack.Context
	f, err := r.deployOne(ctx, r.client, v, &t.target)
	if err == nil && t.req.Spec.Image != "" {
		r.nameImage(ctx, v, t)
	}
	return f, err
}

// nameImage lets the image's name stand for what was built, as if it had been
// pushed: faas-cli can deploy the same stack file then. The function is there
// already, so that it is no error if that may not be.
func (r *stackRun) nameImage(ctx context.Context, v *deployView, t stackTarget) {
	req := api.ImageRequest{Reference: t.req.Spec.Image, Source: t.req.Source, Spec: api.Spec{Runtime: contextRuntime}}
	if _, err := r.client.SetImage(ctx, req); err != nil {
		v.remark(fmt.Sprintf("the server does not know it as %s: %v", req.Reference, err))
		return
	}
	v.step("image", req.Reference)
}

// write lays the context out in dir and puts the build arguments in.
func (t *stackTarget) write(project, dir string) error {
	dest, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the build context: %w", err)
	}
	defer dest.Close()
	if _, err := shrinkwrap.Make(project, *t.context, dest); err != nil {
		return fmt.Errorf("making the build context of %s: %w", t.ref.Name, err)
	}
	return shrinkwrap.Arguments(dest, t.args)
}

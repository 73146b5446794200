package app

import (
	"path/filepath"
	"runtime"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/build/steps"
	"rouse.dev/rouse/internal/fn"
)

// newBuilder makes the builder of artifacts: what was built before is found
// without waiting, a few builds run at a time, their output is kept.
func newBuilder(w *parts, set *runtimes.Set, lookup func(string) (string, bool)) (*build.Recorder, error) {
	env := map[string]string{}
	for _, name := range w.cfg.Build.Env {
		if v, ok := lookup(name); ok {
			env[name] = v
		}
	}
	caches := w.cfg.Build.Cache
	if caches == "" {
		caches = filepath.Join(w.dir.Path(), "caches")
	}
	in := func(name string) string { return filepath.Join(w.dir.Path(), name) }
	b, err := steps.New(steps.Config{
		Runtimes: set, Runner: w.engine, Work: filepath.Join(w.dir.Tmp(), "builds"), Caches: caches, Artifacts: w.dir.Artifacts(),
		Env: env, Limits: fn.Limits{Memory: int64(w.cfg.Build.Memory), Timeout: w.cfg.Limits.BuildTimeout}, Log: w.part("build"),
	})
	if err != nil {
		return nil, err
	}
	parallel := w.cfg.Build.Parallel
	if parallel == 0 {
		parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return build.Record(build.Cache(build.Limit(b, parallel), in("builds"), w.dir.Artifacts()), in("builds")), nil
}

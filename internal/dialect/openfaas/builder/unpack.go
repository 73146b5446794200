package builder

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/build/dockerfile"
	"rouse.dev/rouse/internal/fn"
)

// each calls visit for every entry of a tar, names without a leading "./".
func each(f *os.File, visit func(h *tar.Header, name string, body io.Reader) error) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fn.Errorf(fn.Internal, "reading a build: %w", err)
	}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fn.Errorf(fn.Invalid, "the build is not a tar archive: %w", err)
		}
		if err := visit(h, strings.TrimPrefix(h.Name, "./"), tr); err != nil {
			return err
		}
	}
}

// readConfig finds the configuration, which clients write last, and refuses
// what has no place in a build.
func readConfig(f *os.File) (buildConfig, error) {
	var c buildConfig
	found := false
	err := each(f, func(h *tar.Header, name string, body io.Reader) error {
		switch {
		case name == configName && found:
			return fn.Errorf(fn.Invalid, "the build has %s twice", configName)
		case name == configName:
			found = true
			return decode(h, body, &c)
		case name == secretsName:
			return fn.WithHint(fn.Errorf(fn.Invalid, "the build has sealed secrets, which this server has no key for"), "build without secrets")
		case name == "" || name == "." || inContext(name):
			return nil
		}
		return fn.Errorf(fn.Invalid, "the build has %.80q: there are %s and the folder %s", name, configName, contextName)
	})
	if err == nil && !found {
		err = fn.Errorf(fn.Invalid, "the build has no %s", configName)
	}
	if err != nil {
		return c, err
	}
	return c, c.check()
}

func inContext(name string) bool {
	return name == contextName || strings.HasPrefix(name, contextName+"/")
}

func decode(h *tar.Header, body io.Reader, c *buildConfig) error {
	if h.Typeflag != tar.TypeReg || h.Size > maxConfig {
		return fn.Errorf(fn.Invalid, "%s must be a file of at most %s", configName, fn.FormatBytes(maxConfig))
	}
	text, err := io.ReadAll(io.LimitReader(body, maxConfig))
	if err != nil {
		return fn.Errorf(fn.Invalid, "reading %s: %w", configName, err)
	}
	if err := json.Unmarshal(text, c); err != nil {
		return fn.Errorf(fn.Invalid, "%s: %v", configName, err)
	}
	return nil
}

// check finds every mistake.
func (c buildConfig) check() error {
	_, err := fn.ParseImage(c.Image)
	err = errors.Join(err, dockerfile.CheckArguments(c.BuildArgs))
	here := "linux/" + runtime.GOARCH
	fits := func(p string) bool { return p == here || strings.HasPrefix(p, here+"/") }
	if len(c.Platforms) > 0 && !slices.ContainsFunc(c.Platforms, fits) {
		err = errors.Join(err, fn.Mistake{Field: "platforms", Reason: fmt.Sprintf("this server builds for %s, not for %.200s", here, strings.Join(c.Platforms, ", "))})
	}
	return err
}

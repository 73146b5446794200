package builder

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"rouse.dev/rouse/internal/build/dockerfile"
	"rouse.dev/rouse/internal/fn"
)

// repack writes the folder context as the archive of a source, with the build
// arguments in its Dockerfile. Whether its names and links are good is for the
// one who unpacks it to judge, as for every source.
func repack(f *os.File, w io.Writer, args map[string]string) error {
	out := tar.NewWriter(w)
	err := each(f, func(h *tar.Header, name string, body io.Reader) error {
		name, ok := strings.CutPrefix(name, contextName+"/")
		if !ok || strings.Trim(name, "/") == "" {
			return nil
		}
		if h.Typeflag == tar.TypeDir && path.Clean(name) == "." {
			return nil
		}
		next := &tar.Header{Typeflag: h.Typeflag, Name: name, Size: h.Size, Mode: h.Mode & 0o777, Linkname: h.Linkname}
		if path.Clean(name) == "Dockerfile" && len(args) > 0 {
			text, err := withArguments(h, body, args)
			if err != nil {
				return err
			}
			next.Size, body = int64(len(text)), bytes.NewReader(text)
		}
		if err := out.WriteHeader(next); err != nil {
			return fn.Errorf(fn.Invalid, "%.80q: %w", name, err)
		}
		if _, err := io.Copy(out, body); err != nil {
			return fmt.Errorf("passing on %.80q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err // without the archive's end: it must not pass for a whole one
	}
	return out.Close()
}

// withArguments is the text of a Dockerfile with build arguments in it.
func withArguments(h *tar.Header, body io.Reader, args map[string]string) ([]byte, error) {
	if h.Typeflag != tar.TypeReg {
		return nil, fn.WithHint(fn.Errorf(fn.Invalid, "the Dockerfile is not a file: no build argument can be put into it"), "send the file itself, or no build arguments")
	}
	text, err := io.ReadAll(io.LimitReader(body, dockerfile.MaxSize+1))
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "reading the Dockerfile: %w", err)
	}
	return dockerfile.SetArguments(text, args)
}

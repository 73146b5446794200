package shrinkwrap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"rouse.dev/rouse/internal/build/dockerfile"
	"rouse.dev/rouse/internal/fn"
)

// Arguments writes build arguments into the context's Dockerfile: see
// dockerfile.SetArguments.
func Arguments(dest *os.Root, args map[string]string) error {
	if len(args) == 0 {
		return nil
	}
	if err := dockerfile.CheckArguments(args); err != nil {
		return err
	}
	text, err := readDockerfile(dest)
	if err != nil || text == nil {
		return err
	}
	next, err := dockerfile.SetArguments(text, args)
	if err != nil {
		return err
	}
	out, err := dest.OpenFile("Dockerfile", os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("writing the Dockerfile: %w", err)
	}
	_, err = out.Write(next)
	return errors.Join(err, out.Close())
}

// readDockerfile returns nil if there is none: the build will say so.
func readDockerfile(dest *os.Root) ([]byte, error) {
	f, err := dest.Open("Dockerfile")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, dockerfile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	if len(text) > dockerfile.MaxSize {
		return nil, fn.Errorf(fn.TooLarge, "the Dockerfile is larger than %s", fn.FormatBytes(dockerfile.MaxSize))
	}
	return text, nil
}

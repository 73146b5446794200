package shrinkwrap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// maxDockerfile is the most that is read of a Dockerfile.
const maxDockerfile = 1 << 20

// argLine is an ARG with one name, on a line of its own.
var argLine = regexp.MustCompile(`(?mi)^([ \t]*ARG[ \t]+)([a-z_][a-z0-9_]*)(=[^\r\n]*?)?[ \t]*(\r?)$`)

// Arguments writes build arguments into the context's Dockerfile as the values
// its ARG lines have, so that who reads the file alone sees what a build with
// them would. Names without an ARG line are passed over, as container builds
// do.
func Arguments(dest *os.Root, args map[string]string) error {
	if len(args) == 0 {
		return nil
	}
	var wrong fn.Mistakes
	for name, value := range args {
		if strings.ContainsAny(value, "\r\n\x00") {
			wrong.Add("build argument "+name, "must be one line of text")
		}
	}
	if err := wrong.Err(); err != nil {
		return err
	}
	text, err := readDockerfile(dest)
	if err != nil || text == nil {
		return err
	}
	next := argLine.ReplaceAllFunc(text, func(line []byte) []byte {
		m := argLine.FindSubmatch(line)
		value, given := args[string(m[2])]
		if !given || strings.HasSuffix(string(m[3]), `\`) {
			return line
		}
		return fmt.Appendf(nil, "%s%s=%s%s", m[1], m[2], quoted(value), m[4])
	})
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
	text, err := io.ReadAll(io.LimitReader(f, maxDockerfile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	if len(text) > maxDockerfile {
		return nil, fn.Errorf(fn.TooLarge, "the Dockerfile is larger than %s", fn.FormatBytes(maxDockerfile))
	}
	return text, nil
}

// quoted writes a value so that a Dockerfile means just that by it.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
}

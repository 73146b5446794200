package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/fn"
)

// valueFlags say where the value of a secret comes from.
type valueFlags struct {
	file, literal string
	trim          bool
}

func (v *valueFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&v.file, "from-file", "f", "", `file that holds the value; "-" is standard input`)
	f.StringVar(&v.literal, "from-literal", "", "the value itself; other users and the shell's history may see it")
	f.BoolVar(&v.trim, "trim", false, "take blanks and line ends off both ends of the value")
	cmd.MarkFlagsMutuallyExclusive("from-file", "from-literal")
}

// value reads the value of a secret from where the flags say, else from
// standard input.
func (c *cli) value(cmd *cobra.Command, v *valueFlags) ([]byte, error) {
	value, err := c.rawValue(cmd, v)
	if err != nil {
		return nil, err
	}
	if v.trim {
		value = bytes.TrimSpace(value)
	}
	switch last := bytes.IndexByte(value, '\n'); {
	case len(value) == 0:
		return nil, fn.WithHint(usage(fn.Errorf(fn.Invalid, "the value is empty")), "a secret without a value is mostly a mistake; remove it instead")
	case last >= 0 && last == len(value)-1:
		c.note("note: the value ends with a line end; --trim takes it off")
	}
	return value, nil
}

func (c *cli) rawValue(cmd *cobra.Command, v *valueFlags) ([]byte, error) {
	switch {
	case cmd.Flags().Changed("from-literal"):
		c.note("note: a value on the command line stays in the shell's history, and other users of this machine may see it; use --from-file or standard input")
		return []byte(v.literal), nil
	case v.file != "" && v.file != "-":
		f, err := c.open(v.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readValue(f, v.file)
	case v.file == "" && !c.InData:
		return nil, fn.WithHint(usage(fn.Errorf(fn.Invalid, "where is the value?")), "use --from-file FILE, or pipe it to standard input")
	}
	return readValue(c.In, "standard input")
}

func readValue(r io.Reader, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, fn.MaxSecretValue+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if len(b) > fn.MaxSecretValue {
		return nil, fn.Errorf(fn.TooLarge, "%s holds more than %s, the most a secret may have", what, fn.FormatBytes(fn.MaxSecretValue))
	}
	return b, nil
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
)

func (c *cli) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Save all state of the running server",
		Long: `Save a consistent copy of all state, artifacts included, while the server
runs. The file appears when it is whole; "-" writes to standard output.

Secrets are in it sealed. What opens them, the file secrets.key of the server's
data folder, is not: keep a copy of it elsewhere.`,
		Args: cobra.ExactArgs(1),
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			if args[0] == "-" {
				_, err := cl.Backup(cmd.Context(), c.Out)
				return err
			}
			info := api.BackupInfo{File: args[0]}
			err := c.during("saving", func() error {
				return whole(c.path(args[0]), func(w io.Writer) (err error) {
					info.Bytes, err = cl.Backup(cmd.Context(), w)
					return err
				})
			})
			if err != nil {
				return err
			}
			return c.print(info, func() string { return fmt.Sprintf("%s: %s saved\n", info.File, roughly(info.Bytes)) })
		}),
	}
}

// whole writes a file, readable by its owner only, that is there complete or
// not at all.
func whole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fileError(path, err)
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (c *cli) restoreCommand() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring back what a backup holds",
		Long: `Bring back what a backup holds, into the running server. With --replace what is
there goes first; "-" reads from standard input.

To restore secrets of another server, add the lines of its secrets.key to that
of this one's data folder and start it again.`,
		Args: cobra.ExactArgs(1),
		RunE: c.onServer(func(cmd *cobra.Command, cl *client.Client, args []string) error {
			in := c.In
			if args[0] != "-" {
				f, err := c.open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			var info api.BackupInfo
			err := c.during("restoring", func() (err error) {
				info, err = cl.Restore(cmd.Context(), in, replace)
				return err
			})
			if err != nil {
				return err
			}
			info.File = args[0]
			return c.print(info, func() string {
				secrets := ""
				if info.Secrets > 0 {
					secrets = ", " + count(info.Secrets, "secret")
				}
				return fmt.Sprintf("%s: restored %s in %s%s\n", info.File, count(info.Functions, "function"), count(info.Namespaces, "namespace"), secrets)
			})
		}),
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "remove what is there first")
	return cmd
}

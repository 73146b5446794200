package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/fn"
)

func (c *cli) passwordCommand() *cobra.Command {
	var show bool
	var user string
	cmd := &cobra.Command{
		Use:   "password",
		Short: "Say where the password of the server on this machine is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, dir := range c.dataDirs() {
				path := passwordPath(dir, user)
				password, err := readLine(path)
				switch {
				case errors.Is(err, fs.ErrNotExist):
					continue
				case err != nil:
					return fileError(path, err)
				case show:
					return c.say(password + "\n")
				}
				return c.print(map[string]string{"user": user, "file": path}, func() string {
					return fmt.Sprintf("user %s, password in %s\n", user, path)
				})
			}
			return fn.WithHint(fn.Errorf(fn.NotFound, "there is no password of user %s in %s", user, c.dataDirs()[0]),
				"the server makes it at its first start; name its data folder with --data")
		},
	}
	cmd.Flags().BoolVar(&show, "show", false, "print the password itself")
	cmd.Flags().StringVar(&user, "user", "admin", "name of the account")
	return cmd
}

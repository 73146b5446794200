package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

// parseRef reads the name of a function as people write it: NAME,
// NAME.NAMESPACE or NAMESPACE/NAME; namespace is what --namespace says, ""
// if nothing.
func parseRef(s, namespace string) (client.Ref, error) {
	ref := client.Ref{Name: s, Namespace: fn.DefaultNamespace}
	if space, name, ok := strings.Cut(s, "/"); ok {
		ref = client.Ref{Name: name, Namespace: space}
	} else if name, space, ok := strings.Cut(s, "."); ok {
		ref = client.Ref{Name: name, Namespace: space}
	} else if namespace != "" {
		ref.Namespace = namespace
	}
	if err := fn.ValidateRef(fn.Ref(ref)); err != nil {
		return client.Ref{}, usage(err)
	}
	if namespace != "" && namespace != ref.Namespace {
		return client.Ref{}, usage(fn.Errorf(fn.Invalid, "%s names another namespace than --namespace %s", s, namespace))
	}
	return ref, nil
}

// full writes a function's name so that it is the only one.
func full(ref client.Ref) string {
	if ref.Namespace == "" || ref.Namespace == fn.DefaultNamespace {
		return ref.Name
	}
	return ref.Name + "." + ref.Namespace
}

// namespaceFlag adds --namespace to a command about functions.
func (c *cli) namespaceFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVarP(to, "namespace", "n", "", "namespace of the function (default: "+fn.DefaultNamespace+")")
	_ = cmd.RegisterFlagCompletionFunc("namespace", c.completeNamespaces) // fails only for a flag that is not there
}

// onFunction makes the run of a command about one function.
func (c *cli) onFunction(namespace *string, run func(*cobra.Command, *client.Client, client.Ref) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ref, err := parseRef(args[0], *namespace)
		if err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		defer cl.Close()
		return run(cmd, cl, ref)
	}
}

// onServer makes the run of a command about the server.
func (c *cli) onServer(run func(*cobra.Command, *client.Client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		defer cl.Close()
		return run(cmd, cl, args)
	}
}

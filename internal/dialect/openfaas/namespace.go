package openfaas

import "rouse.dev/rouse/internal/fn"

// DefaultNamespace is what these clients call fn.DefaultNamespace, everywhere.
const DefaultNamespace = fn.DefaultAlias

// namespaceIn is the namespace a client means; "" means the default.
func namespaceIn(name string) string {
	if name == "" || name == DefaultNamespace {
		return fn.DefaultNamespace
	}
	return name
}

// namespaceOut is what a client calls a namespace.
func namespaceOut(name string) string {
	if name == fn.DefaultNamespace {
		return DefaultNamespace
	}
	return name
}

package deployment

import "rouse.dev/rouse/internal/fn"

// DefaultNamespace is what these clients call fn.DefaultNamespace, everywhere.
const DefaultNamespace = fn.DefaultAlias

// NamespaceIn is the namespace a client means; "" means the default.
func NamespaceIn(name string) string {
	if name == "" || name == DefaultNamespace {
		return fn.DefaultNamespace
	}
	return name
}

// NamespaceOut is what a client calls a namespace.
func NamespaceOut(name string) string {
	if name == fn.DefaultNamespace {
		return DefaultNamespace
	}
	return name
}

package native

import "rouse.dev/rouse/internal/auth"

// Row is a row of the table, for tests from outside.
type Row struct {
	Method, Path string
	Access       auth.Access
}

// Table returns the route table.
func Table() []Row {
	var out []Row
	for _, rt := range routes() {
		out = append(out, Row{rt.method, rt.path, rt.access})
	}
	return out
}

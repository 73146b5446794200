package openfaas

import (
	"time"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/control"
)

// Row is a row of the table, for tests from outside.
type Row struct {
	Method, Path, Action string
	Access               auth.Access
}

// Table returns the route table.
func Table() []Row {
	var out []Row
	for _, rt := range routes() {
		out = append(out, Row{rt.method, rt.path, rt.action, rt.access})
	}
	return out
}

// Wanted is how many instances there are to be.
var Wanted = wanted

// UsageOf sums up usage between two looks.
func UsageOf(before, after []control.InstanceView, seconds float64) (cpu, memory float64) {
	u := usageOf(before, after, time.Duration(seconds*float64(time.Second)))
	if u == nil {
		return 0, 0
	}
	return u.CPU, u.Memory
}

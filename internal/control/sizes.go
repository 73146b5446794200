package control

import (
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// sizes replaces what stands for a revision's limits in the command and the
// environment of its runtime. A sandbox cannot see its control groups, so
// language runtimes have to be told what they may use:
//
//	%{cpus}      whole processors, at least 1
//	%{memory90}  nine tenths of the memory limit, in bytes
//	%{heapMiB}   three quarters of the memory limit, in MiB
func sizes(l fn.Limits) *strings.Replacer {
	return strings.NewReplacer(
		"%{cpus}", strconv.Itoa(max(1, (l.CPU+999)/1000)),
		"%{memory90}", strconv.FormatInt(l.Memory/10*9, 10),
		"%{heapMiB}", strconv.FormatInt(max(8, l.Memory/4*3>>20), 10),
	)
}

// sized is the program with its sizes filled in.
func sized(p fn.Program, l fn.Limits) fn.Program {
	r := sizes(l)
	command := make([]string, len(p.Command))
	for i, word := range p.Command {
		command[i] = r.Replace(word)
	}
	env := make(map[string]string, len(p.Env))
	for k, v := range p.Env {
		env[k] = r.Replace(v)
	}
	p.Command, p.Env = command, env
	return p
}

// Package yamlfield is what the readers of YAML files share about single fields.
package yamlfield

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Resolve follows an alias to its anchor.
func Resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// First is the first of the fields by name, for an example. There must be one.
func First[V any](fields map[string]V) string { return slices.Min(slices.Collect(maps.Keys(fields))) }

// Nearest is the field that fewest single-letter changes make of name, if at
// most that many do and they leave a letter of it; "" if there is none.
func Nearest[V any](name string, fields map[string]V, changes int) string {
	best, at := "", changes+1
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		if d := distance(Clip(name), f); d < at && d < len(f) {
			best, at = f, d
		}
	}
	return best
}

// distance is the number of single-letter changes between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Clip shortens text from the file for an error.
func Clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}

package conf

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes the configuration as a file that Load reads as the same.
func (c Config) YAML() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return b.Bytes(), enc.Close()
}

// Markdown documents every setting, for docs/config.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Made by the tests of internal/conf (go test ./internal/conf -update). Do not edit. -->

A setting is looked for in four places; the later one wins:

1. the default;
2. the configuration file: ` + "`--config FILE`" + `, else ` + "`ROUSE_CONFIG`" + `, else ` + "`/etc/rouse/config.yaml`" + ` (root) or
   ` + "`~/.config/rouse/config.yaml`" + `. It is YAML, nested at the dots (` + "`gateway:` / `  headTimeout: 5s`" + `); an unknown field is an error;
3. the environment, under the name in the table; lists are separated by commas;
4. the command line: ` + "`--listen`, `--data`, `--domain`, `--log-level`, `--log-format`" + `, and ` + "`--set NAME=VALUE`" + ` for all.

` + "`rouse config`" + ` prints what is in force and where it came from. Sizes are written ` + "`128Mi`" + `, time spans ` + "`250ms`, `60s`, `1h`" + `.

| setting | environment | default | meaning |
|---|---|---|---|
`)
	for _, s := range Default("").Settings() {
		def := "`" + s.Default + "`"
		if s.Default == "" {
			def = "–"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.Name, s.Env, def, s.Doc)
	}
	return b.String()
}

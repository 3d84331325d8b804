// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"
)

// Hasten shortens a watcher's times.
func (w *Watcher) Hasten(interval, quiet time.Duration) { w.interval, w.quiet = interval, quiet }

// raw is the table as it stands in rows.go.
func raw() *table { return newTable(&Settings{}, true) }

const defaultsHead = `# Every setting of the manager and its default. Of these sources the later counts: this, the file of --config,
# environment variables, flags. {{key}} in a text stands for that setting. See docs/configuration.md.

`

// GenerateDefaults is the defaults file.
func GenerateDefaults() string {
	return defaultsHead + raw().toml(func(row *setting) (before, line string) {
		before = fmt.Sprintf("# %s (--%s)\n", row.flag.Usage, row.flag.Name)
		if row.follows != "" {
			_, name := row.split()
			return before, "# " + name + " is by default " + row.follows
		}
		return before, row.assignment()
	})
}

// GenerateReference is a table for each section.
func GenerateReference() string {
	t := raw()
	var out strings.Builder
	for _, section := range t.sections() {
		fmt.Fprintf(&out, "\n### [%s]\n\n| key | flag and environment variable | type | default | what it is |\n|---|---|---|---|---|\n", section)
		for _, row := range t.rows {
			if in, name := row.split(); in == section {
				standard := "`" + row.literal() + "`"
				if row.follows != "" {
					standard = row.follows
				}
				fmt.Fprintf(&out, "| `%s` | `--%s`<br>`%s` | %s | %s | %s |\n",
					name, row.flag.Name, row.variable(), forms[row.kind()].name, standard, strings.ReplaceAll(row.flag.Usage, "|", `\|`))
			}
		}
	}
	return out.String() + "\n"
}

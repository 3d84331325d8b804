// SPDX-License-Identifier: Apache-2.0

// Package extensions_test checks the built-in library with Nushell itself: every
// folder, every hook, what the hooks make of good values and what they say to bad ones.
package extensions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// values is one set of values for a configure hook.
type values map[string]any

// with is v with the fields of more in place of its own.
func (v values) with(more values) values {
	merged := values{}
	for _, from := range []values{v, more} {
		for key, value := range from {
			merged[key] = value
		}
	}
	return merged
}

// answer is what a configure hook made of one set of values, or why it would not.
type answer struct {
	Files   map[string]string `json:"files"`
	Objects []json.RawMessage `json:"objects"`
	Refused string            `json:"refused"`
	Help    string            `json:"help"`
	Labels  string            `json:"labels"`
}

// program is one for nu that reaches an extension as w, by the loading program's own way: with
// the stage to find other extensions in, and so that nothing of a module runs.
func program(stage, extension, body string) string {
	return fmt.Sprintf("const NU_LIB_DIRS = [r####'%s'####]\nmodule w { export use r####'%s'#### * }\nuse w\n%s",
		stage, filepath.Join(stage, extension), body)
}

// The values arrive as data, never as program text.
const configureProgram = `def answer [v: any] {
    try { w configure $v } catch {|e|
        {refused: $e.details.msg, help: $e.details.help, labels: ($e.details.labels.text | str join " ")}
    }
}
print --raw (open --raw /dev/stdin | from json | each {|v| answer $v } | to json --raw)
exit 0
`

// configure runs the hook of the extension in dir on every set of values, in one Nushell.
func configure(t *testing.T, dir string, sets ...values) []answer {
	t.Helper()
	return configureIn(t, stage(t, dir), staged(dir), sets...)
}

// configureIn is configure for an extension of a stage, named as its folder there.
func configureIn(t *testing.T, stage, extension string, sets ...values) []answer {
	t.Helper()
	g := NewWithT(t)
	input, err := json.Marshal(sets)
	g.Expect(err).NotTo(HaveOccurred())
	out := nu(t, program(stage, extension, configureProgram), input)
	var answers []answer
	g.Expect(json.Unmarshal(out, &answers)).To(Succeed(), "%s", out)
	g.Expect(answers).To(HaveLen(len(sets)))
	return answers
}

// configured is configure for one set of values that must be accepted.
func configured(t *testing.T, dir string, set values) answer {
	t.Helper()
	got := configure(t, dir, set)[0]
	NewWithT(t).Expect(got.Refused).To(BeEmpty(), "%s: %s", dir, got.Help)
	return got
}

// refusal is a set of bad values and the words that the message must hold.
type refusal struct {
	bad  values
	says string
}

// expectRefused gives the hook the base with each refusal's fields in place of its own.
func expectRefused(t *testing.T, dir string, base values, cases []refusal) {
	t.Helper()
	g := NewWithT(t)
	sets := make([]values, len(cases))
	for i, c := range cases {
		sets[i] = base.with(c.bad)
	}
	for i, got := range configure(t, dir, sets...) {
		g.Expect(got.Refused).To(ContainSubstring(cases[i].says), "%s: %v", dir, cases[i].bad)
		g.Expect(got.Help).NotTo(BeEmpty(), "%s says nothing to do about %v", dir, cases[i].bad)
	}
}

// nu runs a program that must end well. A word on standard error fails the test: it
// would be a warning, such as of a deprecated command.
func nu(t *testing.T, program string, input []byte) []byte {
	t.Helper()
	stdout, stderr, err := run(t, program, input)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), stderr)
	NewWithT(t).Expect(stderr).To(BeEmpty())
	return stdout
}

// run runs a program as a load does: no configuration, no standard library, an
// environment of HOME and an empty PATH.
func run(t *testing.T, program string, input []byte) (stdout []byte, stderr string, err error) {
	t.Helper()
	path := os.Getenv("NUSHELL_PATH")
	if path == "" {
		t.Fatal("NUSHELL_PATH is not set: run make test")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--no-config-file", "--no-std-lib", "--error-style", "plain", "-c", program)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH="}
	cmd.Stdin = bytes.NewReader(input)
	cmd.WaitDelay = time.Second
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err = cmd.Run()
	return out.Bytes(), words.String(), err
}

// object decodes the object of the given kind into its Kubernetes type, strictly:
// a field that the API does not know fails.
func object[T any](t *testing.T, got answer, kind string) T {
	t.Helper()
	var found []T
	for _, raw := range got.Objects {
		var head struct{ Kind string }
		NewWithT(t).Expect(json.Unmarshal(raw, &head)).To(Succeed())
		if head.Kind == kind {
			var into T
			NewWithT(t).Expect(yaml.UnmarshalStrict(raw, &into)).To(Succeed())
			found = append(found, into)
		}
	}
	NewWithT(t).Expect(found).NotTo(BeEmpty(), "no %s", kind)
	return found[0]
}

// environment reads KEY="value" lines as systemd and a shell would; the hooks
// promise that no value holds a character with a meaning to either.
func environment(t *testing.T, text string) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for line := range strings.Lines(text) {
		key, quoted, found := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		NewWithT(t).Expect(found).To(BeTrue(), line)
		NewWithT(t).Expect(quoted).To(MatchRegexp("^\"[^\"\\\\$`\n]*\"$"), line)
		settings[key] = strings.Trim(quoted, `"`)
	}
	return settings
}

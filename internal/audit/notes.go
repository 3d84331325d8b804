// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"strconv"
	"strings"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// maxText is the longest message or annotation, in bytes.
	maxText = 1024
	// maxArgument is the longest argument of argv, and maxArguments how many are told.
	maxArgument  = 256
	maxArguments = 16
)

// notes are an event's annotations.
type notes map[string]string

// set leaves out what is not known.
func (n notes) set(name, value string) {
	if value != "" {
		n[api.GroupVersion.Group+"/"+name] = extension.Clip(value, maxText)
	}
}

func (n notes) member(m extension.Member, input extension.Digest) {
	if m.Key.Version != "" {
		n.set("key", m.Key.String())
	}
	n.set("catalog", m.Catalog)
	n.set("digest", string(m.Digest))
	n.set("input-digest", string(input))
}

// process tells of the process, if the load came so far.
func (n notes) process(c extension.Checked) {
	n.set("nu-version", c.Toolchain.NushellVersion)
	if len(c.Process.Argv) == 0 {
		return
	}
	n[api.GroupVersion.Group+"/argv"] = arguments(c.Process.Argv)
	n.set("sandbox", c.Enforcement.Level)
	n.set("sandbox-missing", strings.Join(c.Enforcement.Missing, ","))
	n.set("exit-code", strconv.Itoa(c.Process.ExitCode))
	n.set("cpu", c.Process.CPU.String())
	if c.Process.Warm {
		n.set("warm", "true")
	}
}

// arguments are written as a JSON list, since any of them may have any character. It is
// short by the bounds of its members.
func arguments(argv []string) string {
	short := make([]string, 0, min(len(argv), maxArguments))
	for _, argument := range argv[:cap(short)] {
		short = append(short, extension.Clip(argument, maxArgument))
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(short); err != nil {
		return "" // strings are always encoded
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/internal/step"
)

// maxValues bounds the sources of values together, in bytes.
const maxValues = 1 << 20

// readValues merges the files of a folder in the order of their names, a later one over the earlier, and gives one JSON
// object. Records are merged, everything else is replaced, a list as a whole.
func readValues(folder fs.FS) ([]byte, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, err
	}
	merged := map[string]any{}
	left := int64(maxValues)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue // what Kubernetes puts into a projected volume
		}
		text, err := readSource(folder, entry.Name(), left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(text))
		values, err := parseValues(entry.Name(), text)
		if err != nil {
			return nil, err
		}
		merge(merged, values)
	}
	return json.Marshal(merged)
}

func readSource(folder fs.FS, name string, left int64) ([]byte, error) {
	in, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, left+1))
	if err == nil && int64(len(text)) > left {
		return nil, failed(step.InvalidValues, "the values are larger than %d KiB with %s; a hook takes settings, not data", maxValues>>10, name)
	}
	return text, err
}

// documentMark begins a document of YAML, wherever it stands.
var documentMark = regexp.MustCompile(`(?m)^---(\s|$)`)

// parseValues reads one source, which is YAML or JSON: one record, or nothing.
func parseValues(name string, text []byte) (map[string]any, error) {
	marks := documentMark.FindAllIndex(text, 2)
	if len(marks) == 2 || len(marks) == 1 && len(bytes.TrimSpace(withoutComments(text[:marks[0][0]]))) > 0 {
		return nil, failed(step.InvalidValues, "the values of %s are several YAML documents; give one", name)
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		f := failed(step.InvalidValues, "the values of %s are not YAML", name)
		f.said = err.Error()
		return nil, f
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // a number stays as it was written
	var values any
	if err := decoder.Decode(&values); err != nil {
		return nil, failed(step.InvalidValues, "the values of %s cannot be written as JSON", name)
	}
	switch values := values.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return values, nil
	default:
		return nil, failed(step.InvalidValues, "the values of %s are no record; write them as name: value", name)
	}
}

// withoutComments is a text without lines that are comments or directives.
func withoutComments(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("#")) && !bytes.HasPrefix(line, []byte("%")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// merge puts values over those that are there.
func merge(into, values map[string]any) {
	for name, value := range values {
		below, isRecord := value.(map[string]any)
		there, wasRecord := into[name].(map[string]any)
		if isRecord && wasRecord {
			merge(there, below)
		} else {
			into[name] = value
		}
	}
}

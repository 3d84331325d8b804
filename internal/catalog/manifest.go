// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"provisioning.dev/extension-operator/internal/extension"
)

// ManifestFormat is the newest manifest format this operator reads.
const ManifestFormat = 1

// What a manifest may hold at most, in bytes, and how many dependencies.
const (
	MaxManifestBytes    = 256 << 10
	MaxDescriptionBytes = 1024
	MaxAuthorBytes      = 256
	MaxRepositoryBytes  = 512
	MaxDependencies     = 64
)

// maxMessageBytes bounds what is said of a manifest, which quotes it.
const maxMessageBytes = 1024

// manifestKeys are all the keys there are.
var manifestKeys = []string{"manifest", "name", "type", "version", "description", "dependencies", "author", "repository"}

// ParseManifest reads manifest.toml strictly. Every failure is a Fault, an
// InvalidMetadata but for sizes, that names the key and, where there is one, the
// line; it does not name the file.
func ParseManifest(data []byte) (extension.Metadata, error) {
	doc, err := parseDocument(data)
	if err != nil {
		return extension.Metadata{}, err
	}
	if err := doc.checkFormat(); err != nil {
		return extension.Metadata{}, err
	}
	if err := doc.checkKeys(); err != nil {
		return extension.Metadata{}, err
	}
	return doc.metadata()
}

// document is a manifest as TOML sees it.
type document struct {
	values map[string]any
	lines  map[string]int
}

func invalid(format string, args ...any) *extension.Fault {
	return extension.NewFault(extension.InvalidMetadata, "%s", bounded(fmt.Sprintf(format, args...)))
}

// bounded makes a message that quotes a manifest one line of bounded length; a long
// one loses its middle, since the advice is at its end.
func bounded(message string) string {
	message = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, message)
	if len(message) <= maxMessageBytes {
		return message
	}
	const gap = "…"
	const half = (maxMessageBytes - len(gap)) / 2
	return strings.ToValidUTF8(message[:half], "") + gap + strings.ToValidUTF8(message[len(message)-half:], "")
}

func parseDocument(data []byte) (document, error) {
	switch {
	case len(data) > MaxManifestBytes:
		return document{}, extension.NewFault(extension.LimitExceeded,
			"it has %d bytes, over the limit of %d bytes for a manifest; move what is no metadata to files of its own", len(data), MaxManifestBytes)
	case !utf8.Valid(data):
		return document{}, invalid("it is not UTF-8; save it as UTF-8")
	case len(bytes.TrimSpace(data)) == 0:
		return document{}, invalid("it is empty; it needs at least manifest, name, type, version and description")
	}
	doc := document{lines: map[string]int{}}
	if err := toml.Unmarshal(data, &doc.values); err != nil {
		var syntax *toml.DecodeError
		if errors.As(err, &syntax) {
			line, column := syntax.Position()
			return document{}, invalid("line %d, column %d: %s; correct the TOML there",
				line, column, strings.TrimPrefix(syntax.Error(), "toml: "))
		}
		return document{}, invalid("it is not TOML: %s", err)
	}
	doc.findLines(data)
	return doc, nil
}

// findLines has the decoder place every key, by offering it no field for any.
func (d document) findLines(data []byte) {
	var missing *toml.StrictMissingError
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&struct{}{})
	if !errors.As(err, &missing) {
		return
	}
	for _, e := range missing.Errors {
		line, _ := e.Position()
		if _, known := d.lines[e.Key()[0]]; !known {
			d.lines[e.Key()[0]] = line
		}
	}
}

// fault is about one key, at its line.
func (d document) fault(key, format string, args ...any) *extension.Fault {
	return invalid("line %d: %s", d.lines[key], fmt.Sprintf(format, args...))
}

// checkFormat comes first, because a newer format may have any other keys.
func (d document) checkFormat() error {
	value, present := d.values["manifest"]
	if !present {
		return invalid("manifest is missing; write manifest = %d as its first line", ManifestFormat)
	}
	number, ok := value.(int64)
	switch {
	case !ok || number < 1:
		return d.fault("manifest", "manifest is the number of the format; write manifest = %d", ManifestFormat)
	case number > ManifestFormat:
		return d.fault("manifest", "manifest = %d needs a newer operator: this one reads format %d; update the operator", number, ManifestFormat)
	}
	return nil
}

func (d document) checkKeys() error {
	keys := make([]string, 0, len(d.values))
	for key := range d.values {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(d.lines[a], d.lines[b]), cmp.Compare(a, b))
	})
	for _, key := range keys {
		if !slices.Contains(manifestKeys, key) {
			return d.fault(key, "unknown key %q; the keys are %s", key, strings.Join(manifestKeys, ", "))
		}
	}
	return nil
}

func (d document) metadata() (extension.Metadata, error) {
	var m extension.Metadata
	var kind string
	for _, field := range []struct {
		key      string
		into     *string
		required bool
		limit    int
	}{
		{"name", &m.Name, true, extension.MaxNameLength},
		{"type", &kind, true, extension.MaxNameLength},
		{"version", &m.Version, true, extension.MaxVersionLength},
		{"description", &m.Description, true, MaxDescriptionBytes},
		{"author", &m.Author, false, MaxAuthorBytes},
		{"repository", &m.Repository, false, MaxRepositoryBytes},
	} {
		var err error
		if *field.into, err = d.text(field.key, field.required, field.limit); err != nil {
			return extension.Metadata{}, err
		}
	}
	m.Type = extension.Type(kind)
	if err := d.checkValues(m); err != nil {
		return extension.Metadata{}, err
	}
	var err error
	m.Dependencies, err = d.dependencies(m)
	return m, err
}

// text reads a string that fits on one line; a description may have several.
func (d document) text(key string, required bool, limit int) (string, error) {
	value, present := d.values[key]
	if !present {
		if required {
			return "", invalid("%s is missing; add it", key)
		}
		return "", nil
	}
	text, ok := value.(string)
	control := func(r rune) bool { return unicode.IsControl(r) && (key != "description" || r != '\n' && r != '\t') }
	switch {
	case !ok:
		return "", d.fault(key, "%s is %s, not a string; write it in quotes", key, kindOf(value))
	case required && strings.TrimSpace(text) == "":
		return "", d.fault(key, "%s is empty; fill it in", key)
	case len(text) > limit:
		return "", d.fault(key, "%s has %d bytes; shorten it to %d", key, len(text), limit)
	case strings.ContainsFunc(text, control):
		return "", d.fault(key, "%s has control characters; remove them", key)
	}
	return text, nil
}

func (d document) checkValues(m extension.Metadata) error {
	switch {
	case !extension.ValidName(m.Name):
		return d.fault("name", "name %q is not a DNS label; use lower-case letters, digits and '-', at most %d", m.Name, extension.MaxNameLength)
	case !m.Type.Valid():
		return d.fault("type", "type %q is unknown; write provider, taskserv or cluster", m.Type)
	case !extension.ValidVersion(m.Version):
		return d.fault("version", "version %q is not exact; write X.Y.Z or X.Y.Z-pre, without build metadata (+…)", m.Version)
	case m.Repository != "" && !webAddress(m.Repository):
		return d.fault("repository", "repository %q is not a URL; write one that begins with https:// or http://", m.Repository)
	}
	return nil
}

func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// kindOf is what people call a TOML value of the wrong type.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}

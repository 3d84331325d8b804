// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/utils/ptr"

	"provisioning.dev/extension-operator/internal/extension"
)

// kind is a type of extension as requests have it, in any letter case.
type kind string

// Schema says so; JSON Schema has no way to say it shorter.
func (kind) Schema(huma.Registry) *huma.Schema {
	return word("[Pp][Rr][Oo][Vv][Ii][Dd][Ee][Rr]|[Tt][Aa][Ss][Kk][Ss][Ee][Rr][Vv]|[Cc][Ll][Uu][Ss][Tt][Ee][Rr]",
		"provider, taskserv or cluster, in any letter case", 0)
}

func (k kind) value() extension.Type { return extension.Type(strings.ToLower(string(k))) }

// title is a type of extension as answers have it: Taskserv.
func title(t extension.Type) string {
	if t == "" {
		return ""
	}
	return strings.ToUpper(string(t[:1])) + string(t[1:])
}

// label is a name, of an extension, an Extension or a namespace.
type label string

// Schema is that of a DNS label.
func (label) Schema(huma.Registry) *huma.Schema {
	return word("[a-z0-9]([-a-z0-9]*[a-z0-9])?", "a DNS label: lower-case letters, digits and -", extension.MaxNameLength)
}

// version is an exact one.
type version string

// Schema is that of X.Y.Z[-pre].
func (version) Schema(huma.Registry) *huma.Schema {
	return word(exactVersion, "an exact version such as 1.28.0", extension.MaxVersionLength)
}

const exactVersion = `[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?`

// cacheKey is type:name:version.
type cacheKey string

// Schema is that of a key.
func (cacheKey) Schema(huma.Registry) *huma.Schema {
	return word("(provider|taskserv|cluster):[a-z0-9]([-a-z0-9]*[a-z0-9])?:"+exactVersion,
		"a key as type:name:version, such as taskserv:kubernetes:1.28.0", 256)
}

// duration is how long to wait.
type duration string

// Schema is that of a number with a unit.
func (duration) Schema(huma.Registry) *huma.Schema {
	return word("0|[0-9]{1,6}(ms|s|m)", "a time such as 500ms, 30s or 2m", 0)
}

// value of what fits the schema; more than the most is the most.
func (d duration) value(otherwise, most time.Duration) time.Duration {
	if d == "" {
		return otherwise
	}
	value, err := time.ParseDuration(string(d))
	if err != nil {
		return otherwise // the pattern has let none through
	}
	return min(value, most)
}

// word is the schema of a text of a pattern, which holds for all of it.
func word(pattern, means string, longest int) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Pattern: "^(" + pattern + ")$", PatternDescription: means}
	if longest > 0 {
		s.MaxLength = ptr.To(longest)
	}
	s.PrecomputeMessages()
	return s
}

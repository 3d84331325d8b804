// SPDX-License-Identifier: Apache-2.0

package extension

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// Type is the kind of thing an extension is. Its value is the word that people
// write everywhere: in objects, keys, manifests and on the command line.
type Type string

// The closed set of types.
const (
	Provider Type = "provider"
	Taskserv Type = "taskserv"
	Cluster  Type = "cluster"
)

// Types lists every type in the order in which people read them.
func Types() []Type { return []Type{Provider, Taskserv, Cluster} }

// Valid tells whether t is one of Types.
func (t Type) Valid() bool { return t == Provider || t == Taskserv || t == Cluster }

// Folder is the name of the library folder that holds extensions of this type.
func (t Type) Folder() string { return string(t) + "s" }

// MaxNameLength is the longest name, in bytes: that of a DNS label.
const MaxNameLength = 63

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// DigestOf is the digest of some bytes.
func DigestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// ValidName tells whether name is a DNS label, the only form a name may have
// before it reaches a path or a process.
func ValidName(name string) bool {
	return len(name) <= MaxNameLength && dnsLabel.MatchString(name)
}

// imageForm has no word that a shell or a flag could take for something else.
var imageForm = regexp.MustCompile(`^[A-Za-z0-9\[][A-Za-z0-9._/:@\[\]-]{0,511}$`)

// ValidImage tells whether reference can be one to an image.
func ValidImage(reference string) bool { return imageForm.MatchString(reference) }

// Ref is what somebody asks for.
type Ref struct {
	// Catalog restricts the search to one catalog; empty means all, in order.
	Catalog string
	Type    Type
	Name    string
	// Constraint is an exact version or a range; empty means the newest stable.
	Constraint string
}

// String reads as people write it: taskserv/kubernetes@1.28.
func (r Ref) String() string {
	s := string(r.Type) + "/" + r.Name
	if r.Constraint != "" {
		s += "@" + r.Constraint
	}
	return s
}

// ParseRef reads type/name[@constraint]. A failure is an InvalidVersion Fault where
// the constraint is wrong.
func ParseRef(text string) (Ref, error) {
	who, constraint, constrained := strings.Cut(text, "@")
	kind, name, _ := strings.Cut(who, "/")
	ref := Ref{Type: Type(kind), Name: name, Constraint: strings.TrimSpace(constraint)}
	if !ref.Type.Valid() || !ValidName(name) || constrained && ref.Constraint == "" {
		return Ref{}, fmt.Errorf("%q is not of the form TYPE/NAME[@RANGE]; write it as taskserv/kubernetes or cluster/cicd@^1.0", text)
	}
	_, err := ParseConstraint(ref.Constraint)
	return ref, err
}

// Key identifies one exact version for people: taskserv:kubernetes:1.28.0.
type Key struct {
	Type    Type
	Name    string
	Version string
}

// String is the key as it is shown everywhere.
func (k Key) String() string { return fmt.Sprintf("%s:%s:%s", k.Type, k.Name, k.Version) }

// ParseKey reads what String writes, and tells whether text is of that form.
func ParseKey(text string) (Key, bool) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 {
		return Key{}, false
	}
	return Key{Type: Type(parts[0]), Name: parts[1], Version: parts[2]}, true
}

// Digest is "sha256:" and 64 lower-case hexadecimal digits.
type Digest string

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Valid tells whether d has the form of a digest.
func (d Digest) Valid() bool { return digestForm.MatchString(string(d)) }

// Hex is the digest without its algorithm, the name of its folder in the store.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), "sha256:") }

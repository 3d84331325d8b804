// SPDX-License-Identifier: Apache-2.0

package extension

import "time"

// Dependency is one entry of a manifest's dependencies.
type Dependency struct {
	Type       Type
	Name       string
	Constraint string
}

// Metadata is what a manifest says, validated and typed.
type Metadata struct {
	Type         Type
	Name         string
	Version      string
	Description  string
	Author       string
	Repository   string
	Dependencies []Dependency
}

// Key identifies the version that the metadata describes.
func (m Metadata) Key() Key { return Key{Type: m.Type, Name: m.Name, Version: m.Version} }

// Member is one exact version of a plan, found in a catalog and kept in the store.
type Member struct {
	Key     Key
	Catalog string
	// Path is where people find it: the library's base name and the folder below it.
	Path     string
	Digest   Digest
	Metadata Metadata
}

// Plan is what a Ref resolves to: the members in load order, the root last.
// A plan that was resolved has at least its root.
type Plan struct {
	Members []Member
}

// Root is the member that was asked for.
func (p Plan) Root() Member { return p.Members[len(p.Members)-1] }

// Consulted is one question that resolving asked, found or not. A change of the
// answer is what wakes whoever asked.
type Consulted struct {
	Catalog string
	Type    Type
	Name    string
}

// Candidate is a version that was looked at, and the rule that refused it;
// the chosen one has no rule.
type Candidate struct {
	Version string
	Refused string
}

// Resolution is the answer to a Ref. Consulted and Candidates are filled as far
// as resolving came, also when it failed.
type Resolution struct {
	Plan       Plan
	Consulted  []Consulted
	Candidates []Candidate
}

// Enforcement says how far the sandbox of a load was closed.
type Enforcement struct {
	// Level is the sandbox's own word for it, such as Enforced or Partial.
	Level string
	// Missing names the layers that were not in force, sorted.
	Missing []string
}

// Loaded is the outcome of a good load, the same for everybody who asked.
type Loaded struct {
	Key         Key
	InputDigest Digest
	Metadata    Metadata
	// Hooks are the known hooks that the module exports, sorted.
	Hooks       []string
	Enforcement Enforcement
	// At is when nu had answered.
	At time.Time
}

// Offer is one version that a catalog lists.
type Offer struct {
	Version string
	// Incomplete, where it is not empty, says what the version's folder still
	// lacks. No range chooses such a version: somebody may be writing it.
	Incomplete string
}

// Toolchain identifies what a load is made with. With the plan it decides the
// outcome, so it is part of the input digest.
type Toolchain struct {
	// NushellVersion is what nu says of itself, for people.
	NushellVersion string
	// Nushell and Program are the digests of the nu binary and of the loading program.
	Nushell Digest
	Program Digest
	// Protocol is the version of the answer's form.
	Protocol int
}

// Checked is what nu answered for the root of a staged plan.
type Checked struct {
	// Toolchain is what the answer was made with: the one of the moment of the check.
	Toolchain   Toolchain
	Hooks       []string
	Enforcement Enforcement
}

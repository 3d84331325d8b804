// SPDX-License-Identifier: Apache-2.0

package extension

import "time"

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
	// Alone has the root loaded without the others, which only lie in its stage. It is
	// not set where there are no others.
	Alone bool
}

// Root is the member that was asked for.
func (p Plan) Root() Member { return p.Members[len(p.Members)-1] }

// Parts are the plans of each member alone, in the same order: it and what it
// depends on by way of any number of members, as far as the plan has it.
func (p Plan) Parts() []Plan {
	type name struct {
		kind Type
		name string
	}
	place := make(map[name]int, len(p.Members))
	parts := make([]Plan, len(p.Members))
	for i, m := range p.Members {
		place[name{m.Key.Type, m.Key.Name}] = i
		needed := make([]bool, i+1)
		needed[i] = true
		for at := i; at >= 0; at-- { // whatever a member depends on stands before it
			if !needed[at] {
				continue
			}
			for _, d := range p.Members[at].Metadata.Dependencies {
				if on, has := place[name{d.Type, d.Name}]; has && on < at {
					needed[on] = true
				}
			}
		}
		for at, is := range needed {
			if is {
				parts[i].Members = append(parts[i].Members, p.Members[at])
			}
		}
	}
	return parts
}

// Consulted is one question that resolving asked, found or not: of a catalog, or,
// where Namespace is set, of that namespace's Extensions. A change of the answer is
// what wakes whoever asked.
type Consulted struct {
	Catalog   string
	Namespace string
	Type      Type
	Name      string
}

// Candidate is a version that was looked at, and the rule that refused it;
// the chosen one has no rule.
type Candidate struct {
	Version string
	Refused string
}

// Resolution is the answer to a Ref. All but the Plan is filled as far as
// resolving came, also when it failed.
type Resolution struct {
	// Plan has no members when resolving failed.
	Plan Plan
	// Root is the version that was found, also where its dependencies made
	// resolving fail; it has no Key where none was.
	Root       Member
	Consulted  []Consulted
	Candidates []Candidate
	// Dependencies are the demands of Root and of what was chosen for it, breadth
	// first from Root.
	Dependencies []Requirement
}

// Found tells whether an exact version was found.
func (r Resolution) Found() bool { return r.Root.Key.Version != "" }

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
	Process     Process
}

// Process is the process that a load is made by, for the record.
type Process struct {
	// Argv is what it was started with, the program's text in it replaced by its
	// digest; empty where none was to be started.
	Argv []string
	// ExitCode is -1 where a signal ended it or it did not start.
	ExitCode int
	// CPU is its user and system time.
	CPU time.Duration
	// Warm: the process was started in advance.
	Warm bool
}

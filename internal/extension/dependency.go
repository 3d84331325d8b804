// SPDX-License-Identifier: Apache-2.0

package extension

// Dependency is one entry of a manifest's dependencies.
type Dependency struct {
	Type       Type
	Name       string
	Constraint string
}

// String reads as a manifest has it, where a taskserv needs no type: etcd@^3.5
// or provider/local.
func (d Dependency) String() string {
	s := Label(d.Type, d.Name)
	if d.Constraint != "" {
		s += "@" + d.Constraint
	}
	return s
}

// Label names an extension in a path of dependencies, as a manifest does: etcd,
// provider/local.
func Label(t Type, name string) string {
	if t == Taskserv {
		return name
	}
	return string(t) + "/" + name
}

// Demand is a dependency and the version that has it.
type Demand struct {
	By Key
	Dependency
}

// DependencyState is how a dependency fares; empty where nothing is wrong with it
// and nothing was tried yet.
type DependencyState string

// The states of a dependency.
const (
	DependencyIsLoaded   DependencyState = "Loaded"
	DependencyIsReady    DependencyState = "Ready"
	DependencyIsMissing  DependencyState = "Missing"
	DependencyIsNotReady DependencyState = "NotReady"
	DependencyIsConflict DependencyState = "Conflict"
	DependencyIsCycle    DependencyState = "Cycle"
)

// Failing tells whether the state is what keeps a dependent from loading.
func (s DependencyState) Failing() bool {
	switch s {
	case DependencyIsMissing, DependencyIsNotReady, DependencyIsConflict, DependencyIsCycle:
		return true
	case DependencyIsLoaded, DependencyIsReady:
	}
	return false
}

// Requirement is a Demand and what came of it.
type Requirement struct {
	Demand
	// Version and Digest are what was chosen; empty where nothing was.
	Version string
	Digest  Digest
	State   DependencyState
	// Message says what is wrong with it, for a person.
	Message string
}

// Chosen is the key of what was chosen; it has no Version where nothing was.
func (r Requirement) Chosen() Key { return Key{Type: r.Type, Name: r.Name, Version: r.Version} }

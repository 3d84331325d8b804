// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"encoding/json"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// Success is the envelope of what was asked for.
type Success[T any] struct {
	Success bool `json:"success" enum:"true" doc:"Always true"`
	Data    T    `json:"data" doc:"What was asked for"`
}

// List is the envelope of a list.
type List[T any] struct {
	Success  bool   `json:"success" enum:"true" doc:"Always true"`
	Data     []T    `json:"data" nullable:"false" doc:"What was asked for, sorted"`
	Continue string `json:"continue,omitempty" doc:"There is more: ask again with this"`
}

// Metadata is what a manifest says.
type Metadata struct {
	Name          string   `json:"name" doc:"Name of the extension"`
	Version       string   `json:"version" doc:"Exact version"`
	Description   string   `json:"description" doc:"For people; empty where the manifest is not found any more"`
	ExtensionType string   `json:"extension_type" enum:"Provider,Taskserv,Cluster" doc:"Type of the extension"`
	Dependencies  []string `json:"dependencies" nullable:"false" doc:"As the manifest has them: [type/]name[@constraint], without a type a taskserv"`
	Author        *string  `json:"author" doc:"Null where the manifest has none"`
	Repository    *string  `json:"repository" doc:"Null where the manifest has none"`
}

// Entry is one thing that is loaded.
type Entry struct {
	Metadata Metadata `json:"metadata"`
	Path     string   `json:"path" doc:"The library's base name and the folder below it; empty where nobody knows it any more"`
	LoadedAt string   `json:"loaded_at" format:"date-time" doc:"RFC 3339, UTC"`
}

// maxAskers is for how many Extensions a thing is loaded that are listed by name.
const maxAskers = 100

// LoadedDetail is one thing that is loaded, in detail.
type LoadedDetail struct {
	Entry
	Key         string   `json:"key" doc:"type:name:version"`
	Catalog     string   `json:"catalog" doc:"Where it was found"`
	Digest      string   `json:"digest" doc:"Of its content; empty where no status tells it"`
	InputDigest string   `json:"input_digest" doc:"Of all that decides a load; empty where it was loaded as a dependency only"`
	Hooks       []string `json:"hooks" nullable:"false" doc:"That the module exports"`
	LoadedFor   []Asker  `json:"loaded_for" nullable:"false" doc:"The Extensions that it was loaded for, at most 100 of them"`
	Extensions  int      `json:"extensions" minimum:"0" doc:"How many there are of them"`
}

// Asker is an Extension that something was loaded for.
type Asker struct {
	Namespace    string  `json:"namespace"`
	Name         string  `json:"name"`
	DependencyOf *string `json:"dependency_of" doc:"The key of what needs it; null where the Extension asks for it itself"`
}

// Presence tells whether an extension is loaded.
type Presence struct {
	Loaded     bool           `json:"loaded"`
	Extensions []LoadedDetail `json:"extensions" nullable:"false" doc:"Each version of it that is loaded, the newest first"`
}

// Dependents is who depends on an extension.
type Dependents struct {
	Extensions []Dependent `json:"extensions" nullable:"false" doc:"The demands, by Extension"`
	Loaded     []string    `json:"loaded" nullable:"false" doc:"The keys of what is loaded and depends on it, by way of whatever"`
}

// Dependent is one demand.
type Dependent struct {
	Namespace  string  `json:"namespace"`
	Name       string  `json:"name" doc:"Of the Extension"`
	Loaded     *string `json:"loaded" doc:"The key that the Extension is loaded with; null where there is none"`
	DependsOn  string  `json:"depends_on" doc:"type:name:version, or type:name where no version was found"`
	RequiredBy *string `json:"required_by" doc:"The key of what makes the demand; null where the status lists no more than that it was loaded"`
	Constraint string  `json:"constraint" doc:"The range of versions that it asks for; empty for any"`
}

// Offer is what the catalogs have of one name.
type Offer struct {
	ExtensionType string    `json:"extension_type" enum:"Provider,Taskserv,Cluster"`
	Name          string    `json:"name"`
	Catalog       string    `json:"catalog" doc:"The catalog that owns the name"`
	Versions      []Version `json:"versions" nullable:"false" doc:"The newest first"`
}

// Version is one version that a catalog has.
type Version struct {
	Version      string   `json:"version" doc:"Empty where it is not known"`
	Path         string   `json:"path" doc:"The library's base name and the folder below it"`
	Description  string   `json:"description"`
	Dependencies []string `json:"dependencies" nullable:"false"`
	Author       *string  `json:"author"`
	Repository   *string  `json:"repository"`
	Broken       *Broken  `json:"broken,omitempty" doc:"Why it cannot be loaded; absent where nothing is wrong with it"`
}

// Broken says why a version cannot be loaded.
type Broken struct {
	Reason  string `json:"reason" doc:"As in the conditions of an Extension"`
	Message string `json:"message"`
}

// Graph is a graph of dependencies.
type Graph struct {
	Nodes []GraphNode `json:"nodes" nullable:"false"`
	Edges []GraphEdge `json:"edges" nullable:"false"`
}

// GraphNode is a version.
type GraphNode struct {
	ID    string `json:"id" doc:"type:name:version, or type:name where no version was found"`
	State string `json:"state,omitempty" doc:"What is wrong with it"`
}

// GraphEdge is a demand.
type GraphEdge struct {
	From       string `json:"from"`
	To         string `json:"to"`
	Constraint string `json:"constraint,omitempty"`
	State      string `json:"state,omitempty" doc:"What is wrong with it"`
}

// graphText is a Graph as its Port wrote it.
type graphText = json.RawMessage

// CacheStats are those of the replica that answers.
type CacheStats struct {
	Replica   string  `json:"replica" doc:"The replica that these are of: each counts for itself"`
	Since     string  `json:"since" format:"date-time" doc:"When it was started"`
	Loads     uint64  `json:"loads" doc:"Loads that were asked for: cache_hits and runs"`
	CacheHits uint64  `json:"cache_hits" doc:"Loads that were answered from memory"`
	Runs      uint64  `json:"runs" doc:"Loads that Nushell was started for"`
	HitRatio  float64 `json:"hit_ratio" minimum:"0" maximum:"1" doc:"cache_hits / loads; 0 before the first"`
	Evictions uint64  `json:"evictions" doc:"Outcomes that were forgotten to make room for others"`
	Entries   int     `json:"entries" minimum:"0" doc:"Outcomes that are remembered now"`
	Capacity  int     `json:"capacity" minimum:"1" doc:"How many can be"`
}

func entryOf(row *extension.LoadedRow) Entry {
	m := row.Metadata
	return Entry{
		Metadata: Metadata{
			Name: m.Name, Version: m.Version, Description: m.Description, ExtensionType: title(m.Type),
			Dependencies: texts(m.Dependencies), Author: orNull(m.Author), Repository: orNull(m.Repository),
		},
		Path: row.Path, LoadedAt: row.At.UTC().Format(time.RFC3339),
	}
}

func detailOf(row *extension.LoadedRow) LoadedDetail {
	d := LoadedDetail{
		Entry: entryOf(row), Key: row.Key.String(), Catalog: row.Catalog, Digest: string(row.Digest), InputDigest: string(row.InputDigest),
		Hooks: append([]string{}, row.Hooks...), LoadedFor: []Asker{}, Extensions: len(row.Askers),
	}
	for _, asker := range row.Askers[:min(len(row.Askers), maxAskers)] {
		d.LoadedFor = append(d.LoadedFor, Asker{Namespace: asker.Namespace, Name: asker.Name, DependencyOf: keyOrNull(asker.Dependent)})
	}
	return d
}

// texts are never nil.
func texts(dependencies []extension.Dependency) []string {
	list := make([]string, 0, len(dependencies))
	for _, d := range dependencies {
		list = append(list, d.String())
	}
	return list
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// keyOrNull is nil where there is no version.
func keyOrNull(key extension.Key) *string {
	if key.Version == "" {
		return nil
	}
	return orNull(key.String())
}

// shown is a key, or what is known of one.
func shown(key extension.Key) string {
	if key.Version == "" {
		return string(key.Type) + ":" + key.Name
	}
	return key.String()
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// lastApplied is where kubectl keeps a second copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Trim is the informers' transform: it drops what no reader here needs and lets
// objects that say the same share the words, so that thousands of them stay
// small in memory. What is dropped is in no patch either, because patches hold
// only differences. Informers' objects are never written to, so sharing is safe.
func Trim(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil //nolint:nilerr // a tombstone has no metadata and nothing to trim
	}
	accessor.SetManagedFields(nil)
	if annotations := accessor.GetAnnotations(); annotations[lastApplied] != "" {
		delete(annotations, lastApplied)
	}
	if ext, ok := object.(*api.Extension); ok {
		shared.share(ext)
	}
	return object, nil
}

// maxShared bounds each map of the pool; a full one is emptied and fills again.
const maxShared = 4096

var shared = pool{
	words: map[string]string{}, metadata: map[string]*api.ExtensionMetadata{},
	sandboxes: map[string]*api.SandboxStatus{}, hooks: map[string][]string{},
	attempts: map[string]*api.Attempt{}, dependencies: map[string][]api.DependencyStatus{}, keys: map[string][]string{}, resolutions: map[string][]api.Candidate{}, histories: map[string][]api.HistoryEntry{},
}

// pool holds one copy of what many objects say: words by themselves, the rest by
// the digest that it goes with.
type pool struct {
	mu        sync.Mutex
	words     map[string]string
	metadata  map[string]*api.ExtensionMetadata
	sandboxes map[string]*api.SandboxStatus
	hooks     map[string][]string
	attempts  map[string]*api.Attempt
	// dependencies and their keys by the input digest, which covers them.
	dependencies map[string][]api.DependencyStatus
	keys         map[string][]string
	resolutions  map[string][]api.Candidate
	histories    map[string][]api.HistoryEntry
}

func (p *pool) share(ext *api.Extension) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &ext.Status
	p.word(&ext.Kind, &ext.APIVersion, &ext.Namespace, &ext.Spec.Name, &ext.Spec.Version,
		&s.Version, &s.Catalog, &s.Digest, &s.InputDigest, &s.Key, &s.Path)
	p.word((*string)(&ext.Spec.Type), (*string)(&ext.Spec.DependencyPolicy))
	for i := range s.Conditions {
		c := &s.Conditions[i]
		p.word(&c.Type, (*string)(&c.Status), &c.Reason, &c.Message)
	}
	// Decoding leaves room for more in a list.
	s.Conditions = fit(s.Conditions)
	if s.Digest != "" {
		s.Metadata = same(p.metadata, s.Digest, s.Metadata)
		s.Sandbox = same(p.sandboxes, s.InputDigest, s.Sandbox)
		s.Hooks = same(p.hooks, s.Digest, s.Hooks)
		s.Dependencies = same(p.dependencies, s.InputDigest, s.Dependencies)
		s.LoadedDependencies = same(p.keys, s.InputDigest, s.LoadedDependencies)
		s.LastAttempted = same(p.attempts, s.Digest, s.LastAttempted)
		s.Resolution = same(p.resolutions, s.Digest, s.Resolution)
		s.History = same(p.histories, s.Digest, s.History)
	}
}

// word replaces texts by equal ones that are known.
func (p *pool) word(texts ...*string) {
	for _, text := range texts {
		*text = same(p.words, *text, *text)
	}
}

// same returns the value that is known under key where it is equal, and else
// makes value known.
func same[V any](known map[string]V, key string, value V) V {
	if v, ok := known[key]; ok && reflect.DeepEqual(v, value) {
		return v
	}
	if len(known) >= maxShared {
		clear(known)
	}
	known[key] = value
	return value
}

// fit copies a list into just the room that it needs.
func fit[T any](list []T) []T {
	if len(list) == cap(list) {
		return list
	}
	return append(make([]T, 0, len(list)), list...)
}

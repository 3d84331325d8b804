// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"k8s.io/apimachinery/pkg/api/meta"
)

// lastApplied is where kubectl keeps a second copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Trim is the informers' transform: it drops what no reader here needs, so that
// thousands of objects stay small in memory. What is dropped is in no patch
// either, because patches hold only differences.
func Trim(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil //nolint:nilerr // a tombstone has no metadata and nothing to trim
	}
	accessor.SetManagedFields(nil)
	if annotations := accessor.GetAnnotations(); annotations[lastApplied] != "" {
		delete(annotations, lastApplied)
	}
	return object, nil
}

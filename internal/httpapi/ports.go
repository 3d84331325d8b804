// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// Guard says who may. Errors are apierrors (k8s.io/apimachinery/pkg/api/errors): Unauthorized, Forbidden, ServiceUnavailable, TooManyRequests.
type Guard interface {
	// Authenticate identifies the sender of r; the context carries the caller to the other methods.
	Authenticate(r *http.Request) (context.Context, error)
	// Caller names who asks, for the audit: "" where nobody is identified.
	Caller(ctx context.Context) string
	// Namespaces returns those of namespaces in which the caller may do verb (list, get, patch) to all Extensions.
	Namespaces(ctx context.Context, verb string, namespaces []string) ([]string, error)
	// Object tells whether the caller may do verb to one Extension.
	Object(ctx context.Context, verb, namespace, name string) (bool, error)
	// Path tells whether the caller may do verb (lower case HTTP method) to a nonResourceURL.
	Path(ctx context.Context, verb, path string) (bool, error)
}

// Inventory knows what the statuses say. What it lists is sorted, and the same on every
// replica.
type Inventory interface {
	// Stamp changes whenever an answer of the others may have.
	Stamp() uint64
	// Namespaces lists those that have Extensions.
	Namespaces(ctx context.Context) ([]string, error)
	// Loaded lists what the statuses of namespaces say is loaded.
	Loaded(ctx context.Context, namespaces []string) ([]extension.LoadedRow, error)
	// Dependents lists the demands of namespaces' Extensions for an extension.
	Dependents(ctx context.Context, namespaces []string, t extension.Type, name string) ([]extension.Dependent, error)
	// Concerned lists the Extensions of all namespaces that a reload may concern.
	Concerned(ctx context.Context, wish extension.ReloadWish) ([]extension.ReloadTarget, error)
	// Reload asks the targets to reload and waits until all have, or patience or ctx ends.
	Reload(ctx context.Context, patience time.Duration, token string, targets []extension.ReloadTarget) []extension.ReloadOutcome
}

// Catalogs are the sources of extensions.
type Catalogs interface {
	// Available lists every version of every name that namespace may see, by type, name
	// and version, the newest first, broken ones too. Without a namespace it is what all
	// may see. A failure is a Fault.
	Available(ctx context.Context, namespace string) ([]Available, error)
	// Graph draws, as json, dot or mermaid, what root resolves to, or, where root has no
	// Name, everything. A failure is a Fault.
	Graph(ctx context.Context, namespace, format string, root extension.Ref) ([]byte, error)
}

// Available is one version that a catalog has, or one thing in it that is broken.
type Available struct {
	Catalog string
	Type    extension.Type
	Name    string
	// Version is empty where it is not known.
	Version string
	Path    string
	// Metadata is set where Fault is nil.
	Metadata extension.Metadata
	Fault    *extension.Fault
}

// Cache is what the replicas remember of loads.
type Cache interface {
	// Clear has every replica forget one key, or all where it has no Version. By names
	// who asked for it, for the audit. Done tells whether this one has by now.
	Clear(ctx context.Context, key extension.Key, by string) (done bool, err error)
	// Stats are this replica's.
	Stats() Stats
}

// Stats count what one replica did since it was started.
type Stats struct {
	// Replica is its name, Since when it was started.
	Replica string
	Since   time.Time
	// Runs are loads for which Nushell was started, Hits those answered from memory.
	Runs, Hits uint64
	// Evictions are outcomes that were forgotten to make room.
	Evictions uint64
	// Entries of Capacity are remembered now.
	Entries, Capacity int
}

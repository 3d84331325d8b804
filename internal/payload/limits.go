// SPDX-License-Identifier: Apache-2.0

package payload

import "strconv"

const (
	// PartSize is the largest part, in bytes: a ConfigMap holds 1 MiB, its metadata and the keys' names included.
	PartSize = 900 << 10
	// MaxParts is how many parts there are at most.
	MaxParts = 8
	// MaxUnpacked bounds the canonical tars of a plan together, in bytes: what a pod's folder has to hold.
	MaxUnpacked = 64 << 20
)

// PartName is the name of a part, counted from 0: the ConfigMap's key, and the file in the folder that Unpack reads.
func PartName(i int) string { return "part-" + strconv.Itoa(i) }

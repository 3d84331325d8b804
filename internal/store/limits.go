// SPDX-License-Identifier: Apache-2.0

package store

// ManifestName is the file of a version's folder that has a limit of its own.
const ManifestName = "manifest.toml"

// Limits bound one version's folder while it is read. A zero field means the
// one of DefaultLimits.
type Limits struct {
	// Entries is the number of files, folders and links, those left out included.
	Entries int
	// Depth is the number of folders below the version's own.
	Depth int
	// FileBytes is the size of one file, TotalBytes that of all together and
	// ManifestBytes that of the manifest.
	FileBytes     int64
	TotalBytes    int64
	ManifestBytes int64
}

// DefaultLimits are far above what an extension needs and far below what hurts.
func DefaultLimits() Limits {
	return Limits{Entries: 4096, Depth: 16, FileBytes: 4 << 20, TotalBytes: 32 << 20, ManifestBytes: 256 << 10}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Entries == 0 {
		l.Entries = d.Entries
	}
	if l.Depth == 0 {
		l.Depth = d.Depth
	}
	if l.FileBytes == 0 {
		l.FileBytes = d.FileBytes
	}
	if l.TotalBytes == 0 {
		l.TotalBytes = d.TotalBytes
	}
	if l.ManifestBytes == 0 {
		l.ManifestBytes = d.ManifestBytes
	}
	return l
}

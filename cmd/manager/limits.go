// SPDX-License-Identifier: Apache-2.0

package main

import (
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/sandbox"
	"provisioning.dev/extension-operator/internal/store"
)

// processLimits are those of one process of Nushell. Standard error has no setting: it is for the log alone.
func processLimits(s config.Settings) sandbox.Limits {
	return sandbox.Limits{
		CPU:          s.LoadCPU,
		AddressSpace: int64(s.LoadMemory) << 20,
		FileSize:     int64(s.LoadFileSize),
		OpenFiles:    int64(s.LoadOpenFiles),
		Stdout:       int64(s.LoadOutput),
		Stderr:       sandbox.DefaultLimits().Stderr,
	}
}

// folderLimits are those of one version's folder.
func folderLimits(s config.Settings) store.Limits {
	return store.Limits{
		Entries:       s.ExtensionMaxFiles,
		Depth:         s.ExtensionMaxDepth,
		FileBytes:     int64(s.ExtensionMaxFileSize),
		TotalBytes:    int64(s.ExtensionMaxSize),
		ManifestBytes: int64(s.ManifestMaxSize),
	}
}

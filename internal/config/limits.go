// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"time"

	cliflag "k8s.io/component-base/cli/flag"
)

const (
	// manifestMost is what the parser of manifests takes.
	manifestMost = 256 << 10
	// memoryLeast is what Nushell needs to start, in MiB; memoryMost is far above what a machine has.
	memoryLeast, memoryMost = 64, 1 << 20
	// openFilesLeast is twice what Nushell needs to start.
	openFilesLeast = 16
	// outputLeast has room for the answer about a small extension, in bytes.
	outputLeast = 4096
)

func (s *Settings) limitFlags(groups *cliflag.NamedFlagSets) {
	f := groups.FlagSet("Limits")
	f.IntVar(&s.LoadSlotsPerNamespace, "load-slots-per-namespace", s.LoadSlotsPerNamespace,
		"how many of the load slots one namespace holds at most; 0 is half of them, rounded up")
	f.DurationVar(&s.LoadCPU, "load-cpu", s.LoadCPU, "CPU time of one load, rounded up to whole seconds")
	f.IntVar(&s.LoadMemory, "load-memory-mib", s.LoadMemory, "address space of one load, in MiB")
	f.IntVar(&s.LoadOpenFiles, "load-open-files", s.LoadOpenFiles, "how many files one load has open at once")
	f.IntVar(&s.LoadFileSize, "load-file-size", s.LoadFileSize,
		"bytes of the largest file that a load writes; the sandbox lets it write none")
	f.IntVar(&s.LoadOutput, "load-output", s.LoadOutput, "bytes that a load writes to its standard output, which is its answer")
	f.IntVar(&s.ExtensionMaxFiles, "extension-max-files", s.ExtensionMaxFiles,
		"files, folders and links in the folder of one version of an extension")
	f.IntVar(&s.ExtensionMaxDepth, "extension-max-depth", s.ExtensionMaxDepth, "levels of folders below that folder")
	f.IntVar(&s.ExtensionMaxFileSize, "extension-max-file-size", s.ExtensionMaxFileSize, "bytes of one file in it, such as a module")
	f.IntVar(&s.ExtensionMaxSize, "extension-max-size", s.ExtensionMaxSize, "bytes of all files in it together")
	f.IntVar(&s.ManifestMaxSize, "manifest-max-size", s.ManifestMaxSize, "bytes of its manifest")
}

// limits returns every mistake in the settings of limitFlags.
func (s Settings) limits() error {
	return errors.Join(
		atLeast("--load-slots-per-namespace", s.LoadSlotsPerNamespace, 0),
		atLeast("--load-cpu", s.LoadCPU, time.Second),
		atLeast("--load-memory-mib", s.LoadMemory, memoryLeast),
		atMost("--load-memory-mib", s.LoadMemory, memoryMost),
		atLeast("--load-open-files", s.LoadOpenFiles, openFilesLeast),
		atLeast("--load-file-size", s.LoadFileSize, 1),
		atLeast("--load-output", s.LoadOutput, outputLeast),
		// A version has at least its manifest and its module.
		atLeast("--extension-max-files", s.ExtensionMaxFiles, 2),
		atLeast("--extension-max-depth", s.ExtensionMaxDepth, 1),
		atLeast("--extension-max-file-size", s.ExtensionMaxFileSize, 1),
		atLeast("--extension-max-size", s.ExtensionMaxSize, 1),
		atLeast("--manifest-max-size", s.ManifestMaxSize, 1),
		atMost("--manifest-max-size", s.ManifestMaxSize, manifestMost),
	)
}

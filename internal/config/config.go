// SPDX-License-Identifier: Apache-2.0

// Package config is the one place that holds the manager's settings: what they
// are called, their defaults, what they may be, and who set them.
//
//	config.go       the settings, as the manager reads them
//	rows.go         the table: one row for each; table.go is what a row can be
//	load.go         defaults, file, environment and flags become settings, or mistakes
//	take.go         what each of them says
//	file.go         a configuration file, as keys, lines and values
//	interpolate.go  {{key}} in values
//	print.go        settings as TOML and JSON
//	watch.go        what to say when the file changes
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	cliflag "k8s.io/component-base/cli/flag"

	"provisioning.dev/extension-operator/internal/extension"
)

// Settings of the manager.
type Settings struct {
	// DataDir is for other settings to name.
	DataDir string

	// Extensions, where they come from and how many are remembered. AutoLoad has them loaded
	// without a reload token that asks.
	AutoLoad        bool
	Libraries       []string
	LibraryInterval time.Duration
	NotFoundGrace   time.Duration
	CacheDir        string
	CacheSize       int

	// Nushell and what it runs.
	NushellPath      string
	ProvisioningPath string
	Sandbox          string
	SandboxPath      string
	LoadTimeout      time.Duration
	LoadSlots        int
	// LoadSlotsPerNamespace is how many of them one namespace may hold; 0 is half, rounded up.
	LoadSlotsPerNamespace int
	// LoadWorkers is how many Nushells wait for a load, LoadWorkerIdle how long each.
	LoadWorkers    int
	LoadWorkerIdle time.Duration

	// What one process of Nushell may use; memory is address space in MiB, sizes are in bytes.
	LoadCPU       time.Duration
	LoadMemory    int
	LoadOpenFiles int
	LoadFileSize  int
	LoadOutput    int

	// How large the folder of one version may be; sizes are in bytes.
	ExtensionMaxFiles    int
	ExtensionMaxDepth    int
	ExtensionMaxFileSize int
	ExtensionMaxSize     int
	ManifestMaxSize      int

	// Controller and what it offers to the cluster.
	Kubeconfig string
	// Controllers are those that run.
	Controllers        []string
	Workers            int
	LeaderElect        bool
	LeaderElectionNS   string
	MetricsBindAddress string
	MetricsSecure      bool
	ProbeBindAddress   string
	// PprofBindAddress is on loopback; 0 for none.
	PprofBindAddress string
	GracePeriod      time.Duration

	// The REST API: where it is, who may use it, and how much of it.
	APIBindAddress       string
	APISecure            bool
	APICertFile          string
	APIKeyFile           string
	APIAudience          string
	APIMaxConnections    int
	APIRequestsPerSecond int
	APIBurst             int

	// Installations: what runs their hooks, and how many at once.
	RunnerImage                  string
	RunnerSandbox                string
	InstallationWorkers          int
	MaxInstallations             int
	MaxInstallationsPerNamespace int

	LogLevel  string
	LogFormat string

	// AuditLog is a file, or - for standard output; empty for none. Sizes are in MiB.
	AuditLog           string
	AuditLogMaxSize    int
	AuditLogMaxBackups int
}

// stdout stands for standard output where a file may be named.
const stdout = "-"

// Default returns the settings of a manager that is given none: those of its
// image, where nu, the CLI and the library lie in fixed places.
func Default() Settings {
	s := Settings{}
	t := newTable(&s, true)
	t.interpolate(func(*setting) bool { return false })
	return s
}

// Flags binds every setting to a flag, in the groups in which --help shows them. What
// is set already is what the flags have by default.
func (s *Settings) Flags() cliflag.NamedFlagSets { return newTable(s, false).groups }

// Library is an entry of Libraries: a catalog that is a directory tree.
type Library struct {
	Name string
	Dir  string
}

// ParseLibraries reads [NAME=]DIR entries; the name is by default the folder's.
// Names are DNS labels and unique, because people refer to catalogs by them.
func ParseLibraries(entries []string) ([]Library, error) {
	var libraries []Library
	seen := map[string]string{}
	for _, entry := range entries {
		name, dir, named := strings.Cut(entry, "=")
		if !named {
			dir = entry
		}
		if dir == "" {
			return nil, fmt.Errorf("%q names no folder; write [NAME=]DIR", entry)
		}
		dir, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry, err)
		}
		if !named {
			name = filepath.Base(dir)
		}
		if !extension.ValidName(name) {
			return nil, fmt.Errorf("%s: %q cannot name a catalog (a DNS label is needed); write NAME=%s", entry, name, dir)
		}
		if other, taken := seen[name]; taken {
			return nil, fmt.Errorf("%s: the name %q is taken by %s; write NAME=%s", entry, name, other, dir)
		}
		seen[name] = dir
		libraries = append(libraries, Library{Name: name, Dir: dir})
	}
	return libraries, nil
}

// Validate returns every mistake at once, each with the flag to change.
func (s Settings) Validate() error {
	t := newTable(&s, false)
	errs := make([]error, 0, len(t.rows))
	for _, row := range t.rows {
		errs = append(errs, row.check("--"+row.flag.Name))
	}
	return errors.Join(errs...)
}

// Absolute returns s with absolute paths, so that they mean the same whatever
// becomes of the working folder. A bare program name stays: PATH finds it.
func (s Settings) Absolute() (Settings, error) {
	paths := []*string{&s.CacheDir, &s.ProvisioningPath}
	for _, program := range []*string{&s.NushellPath, &s.SandboxPath} {
		if strings.ContainsRune(*program, filepath.Separator) {
			paths = append(paths, program)
		}
	}
	if s.APICertFile != "" {
		paths = append(paths, &s.APICertFile, &s.APIKeyFile)
	}
	if s.AuditLog != "" && s.AuditLog != stdout {
		paths = append(paths, &s.AuditLog)
	}
	for _, path := range paths {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return s, fmt.Errorf("path %s: %w", *path, err)
		}
		*path = absolute
	}
	return s, nil
}

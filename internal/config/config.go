// SPDX-License-Identifier: Apache-2.0

// Package config is the one place that holds the manager's settings: what they
// are called, their defaults, and what they may be.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// Settings of the manager.
type Settings struct {
	// Extensions, where they come from and how many are remembered.
	Libraries       []string
	LibraryInterval time.Duration
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
	Kubeconfig         string
	Workers            int
	LeaderElect        bool
	LeaderElectionNS   string
	MetricsBindAddress string
	MetricsSecure      bool
	ProbeBindAddress   string
	// PprofBindAddress is on loopback; 0 for none.
	PprofBindAddress string
	GracePeriod      time.Duration

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
	return Settings{
		Libraries:        []string{"/usr/share/extension-operator/extensions"},
		LibraryInterval:  time.Minute,
		CacheDir:         "/var/cache/extension-operator",
		CacheSize:        100,
		NushellPath:      "/usr/local/bin/nu",
		ProvisioningPath: "/usr/share/extension-operator/nushell",
		Sandbox:          "require",
		SandboxPath:      "/usr/local/bin/extension-sandbox",
		LoadTimeout:      30 * time.Second,
		LoadSlots:        2 * runtime.NumCPU(),
		LoadWorkers:      2,
		LoadWorkerIdle:   10 * time.Minute,

		LoadCPU:       5 * time.Second,
		LoadMemory:    384,
		LoadOpenFiles: 128,
		LoadFileSize:  1 << 20,
		LoadOutput:    1 << 20,

		ExtensionMaxFiles:    4096,
		ExtensionMaxDepth:    16,
		ExtensionMaxFileSize: 4 << 20,
		ExtensionMaxSize:     32 << 20,
		ManifestMaxSize:      manifestMost,

		Workers:            4,
		LeaderElect:        true,
		MetricsBindAddress: ":8443",
		MetricsSecure:      true,
		ProbeBindAddress:   ":8081",
		PprofBindAddress:   addressOff,
		GracePeriod:        20 * time.Second,
		LogLevel:           "info",
		LogFormat:          "json",
		AuditLogMaxSize:    100,
		AuditLogMaxBackups: 5,
	}
}

// Library is one --library: a catalog that is a directory tree.
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
			return nil, fmt.Errorf("--library %q names no folder; write --library [NAME=]DIR", entry)
		}
		dir, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("--library %s: %w", entry, err)
		}
		if !named {
			name = filepath.Base(dir)
		}
		if !extension.ValidName(name) {
			return nil, fmt.Errorf("--library %s: %q cannot name a catalog (a DNS label is needed); write --library NAME=%s", entry, name, dir)
		}
		if other, taken := seen[name]; taken {
			return nil, fmt.Errorf("--library %s: the name %q is taken by %s; write --library NAME=%s", entry, name, other, dir)
		}
		seen[name] = dir
		libraries = append(libraries, Library{Name: name, Dir: dir})
	}
	return libraries, nil
}

// Validate returns every mistake at once, each with the flag to change.
func (s Settings) Validate() error {
	_, err := ParseLibraries(s.Libraries)
	errs := []error{
		err,
		atLeast("--library-interval", s.LibraryInterval, 100*time.Millisecond),
		atLeast("--load-timeout", s.LoadTimeout, time.Second),
		atLeast("--grace-period", s.GracePeriod, time.Second),
		atLeast("--cache-size", s.CacheSize, 1),
		atLeast("--load-slots", s.LoadSlots, 1),
		atLeast("--load-workers", s.LoadWorkers, 0),
		atLeast("--load-worker-idle", s.LoadWorkerIdle, time.Second),
		s.limits(),
		atLeast("--workers", s.Workers, 1),
		atLeast("--audit-log-max-size", s.AuditLogMaxSize, 1),
		atLeast("--audit-log-max-backups", s.AuditLogMaxBackups, 1),
		oneOf("--sandbox", s.Sandbox, "require", "best-effort", sandboxOff),
		s.sandboxHelper(),
		loopback("--pprof-bind-address", s.PprofBindAddress),
		oneOf("--log-level", s.LogLevel, "debug", "info", "error"),
		oneOf("--log-format", s.LogFormat, "json", "text"),
		named("--cache-dir", s.CacheDir, "a folder that the manager can write"),
		named("--nushell-path", s.NushellPath, "the nu binary"),
		named("--provisioning-path", s.ProvisioningPath, "the folder with the loading program"),
	}
	return errors.Join(errs...)
}

// sandboxOff is the value of --sandbox that needs no helper.
const sandboxOff = "off"

func (s Settings) sandboxHelper() error {
	if s.SandboxPath == "" && s.Sandbox != sandboxOff {
		return errors.New("--sandbox-path is empty; it must name the extension-sandbox helper, or give --sandbox=off to run nu without protection")
	}
	return nil
}

func named(flag, path, what string) error {
	if path == "" {
		return fmt.Errorf("%s is empty; it must name %s", flag, what)
	}
	return nil
}

func atLeast[T int | time.Duration](flag string, value, least T) error {
	if value < least {
		return fmt.Errorf("%s is %v; at least %v is needed", flag, value, least)
	}
	return nil
}

func atMost(flag string, value, most int) error {
	if value > most {
		return fmt.Errorf("%s is %v; at most %v is possible", flag, value, most)
	}
	return nil
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s is %q; it can be %s", flag, value, strings.Join(allowed, ", "))
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

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"runtime"
	"time"
)

// The rows of the table. A new setting is a field of Settings and a row here: its default, its flag, its key, its
// environment variable, its check and its line of the reference come of it (make reference writes the files).

// dataDir is what cache_dir lies in by default, as in the system that this one replaces.
const dataDir = "{{orchestrator.paths.data_dir}}"

func (t *table) paths(s *Settings) {
	t.in("orchestrator.paths", "Extensions")
	t.text("data_dir", "data-dir", &s.DataDir, "/var/lib/extension-operator", "folder of what the manager keeps on disk, for other settings to name")
}

func (t *table) extensions(s *Settings) {
	t.in("orchestrator.extensions", "Extensions")
	t.boolean("auto_load", "auto-load", &s.AutoLoad,
		"load Extensions by themselves; with false one is loaded only when its reload annotation asks")
	t.text("cache_dir", "cache-dir", &s.CacheDir, dataDir+"/extensions",
		"folder for content-addressed copies of extensions, of this process alone; losing it costs time only",
		named("a folder that the manager can write"))
	t.number("cache_size", "cache-size", &s.CacheSize, 100,
		"how many outcomes of loads are remembered in memory, the least recently used going first", atLeast(1))
	t.list("libraries", "library", &s.Libraries, []string{"/usr/share/extension-operator/extensions"},
		"folder that holds providers/, taskservs/ and clusters/, as [NAME=]DIR; may be repeated: the first library that has a name owns it", libraries)
	t.duration("library_interval", "library-interval", &s.LibraryInterval, time.Minute,
		"how often libraries are read again, whether file events came or not (jittered)", atLeast(100*time.Millisecond))
	t.duration("not_found_grace", "not-found-grace", &s.NotFoundGrace, 2*time.Minute,
		"how long a name or version may be missing, or versions not go together, before that counts as a failure; a library on a ConfigMap comes up to 90s "+
			"after the Extensions that are applied with it", atLeast(time.Duration(0)))
}

func (t *table) loading(s *Settings) {
	t.in("loading", "Loading")
	t.text("nushell_path", "nushell-path", &s.NushellPath, "/usr/local/bin/nu", "the nu binary", named("the nu binary"))
	t.text("provisioning_path", "provisioning-path", &s.ProvisioningPath, "/usr/share/extension-operator/nushell",
		"folder with the provisioning CLI and the loading program load.nu", named("the folder with the loading program"))
	t.text("sandbox", "sandbox", &s.Sandbox, "require",
		"require runs nu with every layer of the sandbox or not at all; best-effort does without what Landlock lacks before Linux 6.12 "+
			"(rules about network and signals); off protects nothing, for a developer's machine that is not Linux",
		oneOf("require", "best-effort", sandboxOff))
	t.text("sandbox_path", "sandbox-path", &s.SandboxPath, "/usr/local/bin/extension-sandbox",
		"the extension-sandbox helper, needed unless --sandbox=off", s.sandboxHelper)
	t.duration("load_timeout", "load-timeout", &s.LoadTimeout, 30*time.Second, "ends a load that takes longer", atLeast(time.Second))
	t.number("load_slots", "load-slots", &s.LoadSlots, 2*runtime.NumCPU(),
		"how many loads run at once (by default twice as many as there are cores)", atLeast(1)).follows = "twice as many as there are cores"
	t.number("load_workers", "load-workers", &s.LoadWorkers, 2,
		"how many Nushells are started in advance and wait for a load, each in a sandbox of its own; 0 for none", atLeast(0))
	t.duration("load_worker_idle", "load-worker-idle", &s.LoadWorkerIdle, 10*time.Minute,
		"how long one of them waits before it is replaced", atLeast(time.Second))
}

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

func (t *table) limits(s *Settings) {
	t.in("limits", "Limits")
	t.number("load_slots_per_namespace", "load-slots-per-namespace", &s.LoadSlotsPerNamespace, 0,
		"how many of the load slots one namespace holds at most; 0 is half of them, rounded up", atLeast(0))
	t.duration("load_cpu", "load-cpu", &s.LoadCPU, 5*time.Second, "CPU time of one load, rounded up to whole seconds", atLeast(time.Second))
	t.number("load_memory_mib", "load-memory-mib", &s.LoadMemory, 384, "address space of one load, in MiB", atLeast(memoryLeast), atMost(memoryMost))
	t.number("load_open_files", "load-open-files", &s.LoadOpenFiles, 128, "how many files one load has open at once", atLeast(openFilesLeast))
	t.number("load_file_size", "load-file-size", &s.LoadFileSize, 1<<20,
		"bytes of the largest file that a load writes; the sandbox lets it write none", atLeast(1))
	t.number("load_output", "load-output", &s.LoadOutput, 1<<20,
		"bytes that a load writes to its standard output, which is its answer", atLeast(outputLeast))
	t.number("extension_max_files", "extension-max-files", &s.ExtensionMaxFiles, 4096,
		"files, folders and links in the folder of one version of an extension", atLeast(2)) // its manifest and its module
	t.number("extension_max_depth", "extension-max-depth", &s.ExtensionMaxDepth, 16, "levels of folders below that folder", atLeast(1))
	t.number("extension_max_file_size", "extension-max-file-size", &s.ExtensionMaxFileSize, 4<<20, "bytes of one file in it, such as a module", atLeast(1))
	t.number("extension_max_size", "extension-max-size", &s.ExtensionMaxSize, 32<<20, "bytes of all files in it together", atLeast(1))
	t.number("manifest_max_size", "manifest-max-size", &s.ManifestMaxSize, manifestMost, "bytes of its manifest", atLeast(1), atMost(manifestMost))
}

func (t *table) manager(s *Settings) {
	t.in("manager", "Manager")
	t.text("kubeconfig", "kubeconfig", &s.Kubeconfig, "",
		"kubeconfig file; by default $KUBECONFIG, the service account in a cluster, or ~/.kube/config")
	t.words("controllers", "controllers", &s.Controllers, []string{ExtensionController, InstallationController},
		"which controllers run: extension, which loads Extensions and serves the REST API, and installation, which runs their hooks as Jobs; "+
			"they may run in processes of their own", controllers)
	t.number("workers", "workers", &s.Workers, 4, "how many Extensions are reconciled at once", atLeast(1))
	t.boolean("leader_elect", "leader-elect", &s.LeaderElect, "let only one of several managers reconcile at a time")
	t.text("leader_election_namespace", "leader-election-namespace", &s.LeaderElectionNS, "",
		"namespace of the leader's Lease; by default that of the pod", namespace)
	t.text("metrics_bind_address", "metrics-bind-address", &s.MetricsBindAddress, ":8443", "address for /metrics; 0 turns it off", listens("metrics"))
	t.boolean("metrics_secure", "metrics-secure", &s.MetricsSecure,
		"serve metrics over HTTPS to callers that the API server knows and that may get /metrics")
	t.text("health_probe_bind_address", "health-probe-bind-address", &s.ProbeBindAddress, ":8081", "address for /healthz and /readyz; 0 turns it off", listens("probes"))
	t.text("pprof_bind_address", "pprof-bind-address", &s.PprofBindAddress, addressOff,
		"address for /debug/pprof/, on loopback only since whoever profiles sees what is in memory; 0 turns it off", loopback)
	t.duration("grace_period", "grace-period", &s.GracePeriod, 20*time.Second, "how long a stop may take; loads under way are ended", atLeast(time.Second))
	t.text("log_level", "log-level", &s.LogLevel, "info", "debug, info or error", oneOf("debug", "info", "error"))
	t.text("log_format", "log-format", &s.LogFormat, "json", "json or text", oneOf("json", "text"))
}

func (t *table) audit(s *Settings) {
	t.in("audit", "Audit")
	t.text("log", "audit-log", &s.AuditLog, "",
		"file for one line about each load, reload, refusal and cleared cache, or - for standard output; empty for none")
	t.number("log_max_size", "audit-log-max-size", &s.AuditLogMaxSize, 100, "MiB after which the file is moved aside", atLeast(1))
	t.number("log_max_backups", "audit-log-max-backups", &s.AuditLogMaxBackups, 5,
		"how many files that were moved aside are kept, the oldest going first", atLeast(1))
}

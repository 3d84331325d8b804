// SPDX-License-Identifier: Apache-2.0

package config

import (
	cliflag "k8s.io/component-base/cli/flag"
)

// Flags binds every setting to a flag, in the groups in which --help shows them.
func (s *Settings) Flags() cliflag.NamedFlagSets {
	var groups cliflag.NamedFlagSets
	s.extensionFlags(&groups)
	s.loadFlags(&groups)
	s.limitFlags(&groups)
	s.managerFlags(&groups)
	s.auditFlags(&groups)
	return groups
}

func (s *Settings) extensionFlags(groups *cliflag.NamedFlagSets) {
	f := groups.FlagSet("Extensions")
	f.StringArrayVar(&s.Libraries, "library", s.Libraries,
		"folder that holds providers/, taskservs/ and clusters/, as [NAME=]DIR; may be repeated: the first library that has a name owns it")
	f.DurationVar(&s.LibraryInterval, "library-interval", s.LibraryInterval,
		"how often libraries are read again, whether file events came or not (jittered)")
	f.StringVar(&s.CacheDir, "cache-dir", s.CacheDir,
		"folder for content-addressed copies of extensions; losing it costs time only")
	f.IntVar(&s.CacheSize, "cache-size", s.CacheSize,
		"how many outcomes of loads are remembered in memory, the least recently used going first")
}

func (s *Settings) loadFlags(groups *cliflag.NamedFlagSets) {
	f := groups.FlagSet("Loading")
	f.StringVar(&s.NushellPath, "nushell-path", s.NushellPath, "the nu binary")
	f.StringVar(&s.ProvisioningPath, "provisioning-path", s.ProvisioningPath,
		"folder with the provisioning CLI and the loading program load.nu")
	f.StringVar(&s.Sandbox, "sandbox", s.Sandbox,
		"require runs nu with every layer of the sandbox or not at all; best-effort does without what Landlock lacks before Linux 6.12 "+
			"(rules about network and signals); off protects nothing, for a developer's machine that is not Linux")
	f.StringVar(&s.SandboxPath, "sandbox-path", s.SandboxPath, "the extension-sandbox helper, needed unless --sandbox=off")
	f.DurationVar(&s.LoadTimeout, "load-timeout", s.LoadTimeout, "ends a load that takes longer")
	f.IntVar(&s.LoadSlots, "load-slots", s.LoadSlots,
		"how many loads run at once (by default twice as many as there are cores)")
	f.IntVar(&s.LoadWorkers, "load-workers", s.LoadWorkers,
		"how many Nushells are started in advance and wait for a load, each in a sandbox of its own; 0 for none")
	f.DurationVar(&s.LoadWorkerIdle, "load-worker-idle", s.LoadWorkerIdle, "how long one of them waits before it is replaced")
}

func (s *Settings) managerFlags(groups *cliflag.NamedFlagSets) {
	f := groups.FlagSet("Manager")
	f.StringVar(&s.Kubeconfig, "kubeconfig", s.Kubeconfig,
		"kubeconfig file; by default $KUBECONFIG, the service account in a cluster, or ~/.kube/config")
	f.IntVar(&s.Workers, "workers", s.Workers, "how many Extensions are reconciled at once")
	f.BoolVar(&s.LeaderElect, "leader-elect", s.LeaderElect, "let only one of several managers reconcile at a time")
	f.StringVar(&s.LeaderElectionNS, "leader-election-namespace", s.LeaderElectionNS,
		"namespace of the leader's Lease; by default that of the pod")
	f.StringVar(&s.MetricsBindAddress, "metrics-bind-address", s.MetricsBindAddress, "address for /metrics; 0 turns it off")
	f.BoolVar(&s.MetricsSecure, "metrics-secure", s.MetricsSecure,
		"serve metrics over HTTPS to callers that the API server knows and that may get /metrics")
	f.StringVar(&s.ProbeBindAddress, "health-probe-bind-address", s.ProbeBindAddress, "address for /healthz and /readyz; 0 turns it off")
	f.StringVar(&s.PprofBindAddress, "pprof-bind-address", s.PprofBindAddress,
		"address for /debug/pprof/, on loopback only since whoever profiles sees what is in memory; 0 turns it off")
	f.DurationVar(&s.GracePeriod, "grace-period", s.GracePeriod, "how long a stop may take; loads under way are ended")
	f.StringVar(&s.LogLevel, "log-level", s.LogLevel, "debug, info or error")
	f.StringVar(&s.LogFormat, "log-format", s.LogFormat, "json or text")
}

func (s *Settings) auditFlags(groups *cliflag.NamedFlagSets) {
	f := groups.FlagSet("Audit")
	f.StringVar(&s.AuditLog, "audit-log", s.AuditLog,
		"file for one line about each load, reload, refusal and cleared cache, or - for standard output; empty for none")
	f.IntVar(&s.AuditLogMaxSize, "audit-log-max-size", s.AuditLogMaxSize, "MiB after which the file is moved aside")
	f.IntVar(&s.AuditLogMaxBackups, "audit-log-max-backups", s.AuditLogMaxBackups,
		"how many files that were moved aside are kept, the oldest going first")
}

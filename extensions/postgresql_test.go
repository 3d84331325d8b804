// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"path"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

var postgresqlFull = values{
	"listen_addresses": []string{"10.0.0.5", "fd00::5"}, "port": 6432, "max_connections": 200, "memory_mib": 8192,
	"wal_level": "logical", "max_wal_senders": 4, "archive_command": `test ! -f "/wal/%f" && cp '%p' /wal/%f`,
	"statement_timeout_ms": 30000, "log_min_duration_ms": 250, "log_line_prefix": "%t it's [%p] ", "timezone": "Europe/Madrid",
	"tls_cert": "/tls/pg.crt", "tls_key": "/tls/pg.key", "tls_ca": "/tls/ca.crt",
	"access": []values{{"database": "app", "user": "app", "address": "10.0.0.0/8"}},
	"image":  "mirror.example.org:5000/postgres:test", "storage": "1Gi", "storage_class": "fast", "password_secret": "app-password",
	"tls_secret": "app-tls", "user_id": 70, "patience_s": 30,
}

var postgresqlVersions = []string{"taskservs/postgresql/16.4.0", "taskservs/postgresql/17.2.0"}

// postgresqlConf reads postgresql.conf by its own rules: one setting a line, texts
// in single quotes, in which ” is a quote and a backslash escapes what follows.
func postgresqlConf(t *testing.T, text string) map[string]string {
	t.Helper()
	g := NewWithT(t)
	settings := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		g.Expect(found).To(BeTrue(), line)
		g.Expect(settings).NotTo(HaveKey(name))
		if strings.HasPrefix(value, "'") {
			value = unquote(t, value)
		} else {
			g.Expect(value).To(MatchRegexp(`^(on|off|-?[0-9]+)$`), line)
		}
		settings[name] = value
	}
	return settings
}

func unquote(t *testing.T, quoted string) string {
	t.Helper()
	g := NewWithT(t)
	var text strings.Builder
	rest := quoted[1:]
	for {
		g.Expect(rest).NotTo(BeEmpty(), "no end: %s", quoted)
		switch {
		case rest == "'":
			return text.String()
		case rest[0] == '\\', strings.HasPrefix(rest, "''"):
			g.Expect(len(rest)).To(BeNumerically(">", 2), quoted)
			text.WriteByte(rest[1])
			rest = rest[2:]
		default:
			g.Expect(rest[0]).NotTo(Equal(byte('\'')), "the text ends before the line does: %s", quoted)
			text.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
}

func TestPostgreSQLDefaults(t *testing.T) {
	for _, dir := range postgresqlVersions {
		g := NewWithT(t)
		got := configured(t, dir, values{})
		conf := postgresqlConf(t, got.Files["postgresql.conf"])
		for name, value := range map[string]string{
			"listen_addresses": "localhost", "port": "5432", "max_connections": "100", "password_encryption": "scram-sha-256",
			"ssl": "off", "shared_buffers": "256MB", "effective_cache_size": "768MB", "work_mem": "2621kB", "maintenance_work_mem": "64MB",
			"wal_level": "replica", "archive_mode": "off", "log_line_prefix": "%m [%p] ", "timezone": "Etc/UTC",
		} {
			g.Expect(conf).To(HaveKeyWithValue(name, value), dir)
		}
		g.Expect(conf).NotTo(HaveKey("ssl_cert_file"))
		g.Expect(got.Files["pg_hba.conf"]).To(Equal("local all \"postgres\" peer\n" +
			"host all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"))
	}
}

func TestPostgreSQLValuesComeThrough(t *testing.T) {
	for _, dir := range postgresqlVersions {
		g := NewWithT(t)
		conf := postgresqlConf(t, configured(t, dir, full[dir]).Files["postgresql.conf"])
		for name, value := range map[string]string{
			"listen_addresses": "10.0.0.5,fd00::5", "port": "6432", "max_connections": "200", "shared_buffers": "2048MB",
			"effective_cache_size": "6144MB", "work_mem": "10485kB", "maintenance_work_mem": "512MB", "wal_level": "logical",
			"max_wal_senders": "4", "archive_mode": "on", "archive_command": `test ! -f "/wal/%f" && cp '%p' /wal/%f`,
			"statement_timeout": "30000", "log_min_duration_statement": "250", "log_line_prefix": "%t it's [%p] ",
			"timezone": "Europe/Madrid", "log_timezone": "Europe/Madrid", "ssl": "on", "ssl_cert_file": "/tls/pg.crt",
			"ssl_key_file": "/tls/pg.key", "ssl_ca_file": "/tls/ca.crt", "ssl_min_protocol_version": "TLSv1.2",
		} {
			g.Expect(conf).To(HaveKeyWithValue(name, value), dir)
		}
	}
}

func TestPostgreSQLMajorsDiffer(t *testing.T) {
	g := NewWithT(t)
	old := postgresqlConf(t, configured(t, postgresqlVersions[0], full[postgresqlVersions[0]]).Files["postgresql.conf"])
	g.Expect(old).To(HaveKeyWithValue("old_snapshot_threshold", "60"))
	for _, name := range []string{"transaction_timeout", "summarize_wal", "allow_alter_system"} {
		g.Expect(old).NotTo(HaveKey(name), "PostgreSQL 16 would not start")
	}
	answers := configure(t, postgresqlVersions[1], values{}, full[postgresqlVersions[1]])
	least := postgresqlConf(t, answers[0].Files["postgresql.conf"])
	g.Expect(least).NotTo(HaveKey("old_snapshot_threshold"), "PostgreSQL 17 would not start")
	g.Expect(least).To(HaveKeyWithValue("allow_alter_system", "off"))
	most := postgresqlConf(t, answers[1].Files["postgresql.conf"])
	g.Expect(most).To(HaveKeyWithValue("transaction_timeout", "60000"))
	g.Expect(most).To(HaveKeyWithValue("summarize_wal", "on"))
	g.Expect(most).To(HaveKeyWithValue("allow_alter_system", "on"))

	expectRefused(t, postgresqlVersions[0], values{}, []refusal{
		{values{"incremental_backup": true}, "unknown value incremental_backup"},
		{values{"old_snapshot_threshold_min": -2}, "old_snapshot_threshold_min is -2"},
		{values{"old_snapshot_threshold_min": 86401}, "old_snapshot_threshold_min is 86401"},
	})
	expectRefused(t, postgresqlVersions[1], values{}, []refusal{
		{values{"old_snapshot_threshold_min": 1}, "unknown value old_snapshot_threshold_min"},
		{values{"transaction_timeout_ms": -1}, "transaction_timeout_ms is -1"},
		{values{"incremental_backup": true, "wal_level": "minimal", "max_wal_senders": 0}, "incremental_backup needs wal_level"},
	})
}

// The free texts of postgresql.conf: any line of text arrives as it is, and a second line is refused.
func TestPostgreSQLFreeTextIsEscaped(t *testing.T) {
	for _, dir := range postgresqlVersions {
		g := NewWithT(t)
		var sets []values
		for _, text := range hostile {
			sets = append(sets, values{"archive_command": text, "log_line_prefix": text})
		}
		for i, got := range configure(t, dir, sets...) {
			if strings.ContainsAny(hostile[i], "\n\r\x00\x7f") {
				g.Expect(got.Refused).To(HavePrefix("archive_command is "), "%q", hostile[i])
				continue
			}
			g.Expect(got.Refused).To(BeEmpty(), "%q", hostile[i])
			conf := postgresqlConf(t, got.Files["postgresql.conf"])
			g.Expect(conf).To(HaveKeyWithValue("archive_command", hostile[i]))
			g.Expect(conf).To(HaveKeyWithValue("log_line_prefix", hostile[i]))
		}
	}
}

func TestPostgreSQLAccess(t *testing.T) {
	access := []values{
		{"type": "local", "database": "app", "user": "App", "method": "peer"},
		{"database": "replication", "user": "standby", "address": "10.0.0.0/8", "method": "cert"},
		{"type": "host", "database": "sameuser", "address": "samenet"},
		{"type": "hostnossl", "address": "all", "method": "reject"},
		{"address": "fd00::/64"},
	}
	for _, dir := range postgresqlVersions {
		got := configured(t, dir, full[dir].with(values{"access": access}))
		NewWithT(t).Expect(got.Files["pg_hba.conf"]).To(Equal(`local all "postgres" peer
local "app" "App" peer
hostssl replication "standby" 10.0.0.0/8 cert
host sameuser all samenet scram-sha-256
hostnossl all all all reject
hostssl all all fd00::/64 scram-sha-256
`))
	}
}

// What the objects are made of: the configuration, the values, and nothing that a restricted pod may not have.
func TestPostgreSQLInKubernetes(t *testing.T) {
	for _, dir := range postgresqlVersions {
		g := NewWithT(t)
		answers := configure(t, dir, values{}, full[dir])
		least, most := answers[0], answers[1]
		g.Expect(least.Objects).To(HaveLen(4))
		g.Expect(object[corev1.ConfigMap](t, least, "ConfigMap").Data).To(Equal(least.Files))
		claim := object[corev1.PersistentVolumeClaim](t, least, "PersistentVolumeClaim")
		g.Expect(claim.Spec.StorageClassName).To(BeNil())
		set := object[appsv1.StatefulSet](t, least, "StatefulSet")
		container := set.Spec.Template.Spec.Containers[0]
		version := strings.TrimSuffix(path.Base(dir), ".0")
		g.Expect(container.Image).To(Equal("postgres:" + version))
		g.Expect(container.Resources.Limits.Memory().String()).To(Equal("1Gi"))
		g.Expect(container.StartupProbe.Exec.Command).To(ContainElement("--port=5432"))
		expectRestricted(g, set.Spec.Template.Spec)
		g.Expect(secrets(set.Spec.Template.Spec)).To(Equal(map[string]string{"password": "postgresql-password"}))

		claim = object[corev1.PersistentVolumeClaim](t, most, "PersistentVolumeClaim")
		g.Expect(claim.Spec.StorageClassName).To(HaveValue(Equal("fast")))
		g.Expect(claim.Spec.Resources.Requests.Storage().String()).To(Equal("1Gi"))
		set = object[appsv1.StatefulSet](t, most, "StatefulSet")
		container = set.Spec.Template.Spec.Containers[0]
		g.Expect(container.Image).To(Equal("mirror.example.org:5000/postgres:test"))
		g.Expect(container.Resources.Limits.Memory().String()).To(Equal("8Gi"))
		g.Expect(container.Ports[0].ContainerPort).To(BeEquivalentTo(6432))
		g.Expect(object[corev1.Service](t, most, "Service").Spec.Ports[0].Port).To(BeEquivalentTo(6432))
		g.Expect(set.Spec.Template.Spec.SecurityContext.RunAsUser).To(HaveValue(BeEquivalentTo(70)))
		g.Expect(container.VolumeMounts).To(ContainElement(corev1.VolumeMount{Name: "tls", MountPath: "/tls", ReadOnly: true}))
		g.Expect(secrets(set.Spec.Template.Spec)).To(Equal(map[string]string{"password": "app-password", "tls": "app-tls"}))
		expectRestricted(g, set.Spec.Template.Spec)

		// Another configuration makes another pod.
		g.Expect(object[appsv1.StatefulSet](t, least, "StatefulSet").Spec.Template.Annotations).NotTo(Equal(set.Spec.Template.Annotations))
	}
}

// secrets are those that a pod mounts, by the names of its volumes.
func secrets(pod corev1.PodSpec) map[string]string {
	found := map[string]string{}
	for _, volume := range pod.Volumes {
		if volume.Secret != nil {
			found[volume.Name] = volume.Secret.SecretName
		}
	}
	return found
}

// expectRestricted holds a pod to more than Pod Security does: it has no token, writes to its volumes alone, and is bounded and looked after.
func expectRestricted(g Gomega, pod corev1.PodSpec) {
	g.Expect(pod.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	g.Expect(pod.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
	g.Expect(pod.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
	for _, container := range pod.Containers {
		g.Expect(container.SecurityContext.AllowPrivilegeEscalation).To(HaveValue(BeFalse()))
		g.Expect(container.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))
		g.Expect(container.SecurityContext.Capabilities.Drop).To(Equal([]corev1.Capability{"ALL"}))
		g.Expect(container.SecurityContext.Capabilities.Add).To(BeEmpty())
		g.Expect(container.Resources.Requests).To(HaveKey(corev1.ResourceCPU))
		g.Expect(container.Resources.Limits).To(HaveKey(corev1.ResourceMemory))
		g.Expect(container.ReadinessProbe).NotTo(BeNil())
		g.Expect(container.LivenessProbe).NotTo(BeNil())
	}
}

func TestPostgreSQLRefuses(t *testing.T) {
	access := func(entry any) values { return values{"access": []any{entry}} }
	host := values{"type": "host", "address": "10.0.0.0/8"}
	cases := []refusal{
		{values{"listen_addresses": []string{"*", "localhost"}}, `listen_addresses is "*"`},
		{values{"port": 65536}, "port is 65536"},
		{values{"max_connections": 3}, "max_connections is 3"},
		{values{"memory_mib": 255}, "memory_mib is 255"},
		{values{"wal_level": "none"}, `wal_level is "none"`},
		{values{"max_wal_senders": -1}, "max_wal_senders is -1"},
		{values{"wal_level": "minimal"}, "max_wal_senders needs wal_level"},
		{values{"wal_level": "minimal", "max_wal_senders": 0, "archive_command": "cp"}, "archive_command needs wal_level"},
		{values{"statement_timeout_ms": -1}, "statement_timeout_ms is -1"},
		{values{"log_min_duration_ms": -2}, "log_min_duration_ms is -2"},
		{values{"timezone": "here and there"}, "timezone is"},
		{values{"tls_cert": "/c"}, "tls_cert is set without the rest"},
		{values{"tls_ca": "/c"}, "tls_ca is set without tls_cert"},
		{values{"image": "Postgres"}, `image is "Postgres"`},
		{values{"image": "postgres:16:4"}, `image is "postgres:16:4"`},
		{values{"storage": "10GB"}, `storage is "10GB"`},
		{values{"storage_class": "Fast"}, `storage_class is "Fast"`},
		{values{"password_secret": "a/b"}, `password_secret is "a/b"`},
		{values{"user_id": 0}, "user_id is 0"},
		{values{"patience_s": 3601}, "patience_s is 3601"},
		{values{"tls_secret": "app-tls"}, "tls_secret is set without tls_cert"},
		{values{"tls_secret": "app-tls", "tls_cert": "/c", "tls_key": "/tls/k"}, `tls_cert is "/c"`},
		{access("all"), `access has "all"`},
		{access(host.with(values{"port": 1})), "unknown value port"},
		{access(host.with(values{"type": "hostgss"})), `type is "hostgss"`},
		{access(host.with(values{"database": "a b"})), `database is "a b"`},
		{access(host.with(values{"user": "a\" all"})), `user is "a\" all"`},
		{access(host.with(values{"user": "a\nhost all"})), `user is "a\nhost all"`},
		{access(host.with(values{"method": "trust"})), `method is "trust"`},
		{access(host.with(values{"method": "peer"})), `method is "peer"`},
		{access(host.with(values{"address": ""})), `access of type host has address ""`},
		{access(host.with(values{"address": "10.0.0.1"})), `address is "10.0.0.1"`},
		{access(values{"type": "local", "address": "10.0.0.0/8"}), "access of type local has address"},
		{access(values{"type": "local", "method": "cert"}), `method is "cert"`},
		{access(host.with(values{"method": "cert"})), "access by cert needs"},
		{access(values{"address": "10.0.0.0/8"}), "access of type hostssl needs tls_cert"},
	}
	for _, dir := range postgresqlVersions {
		expectRefused(t, dir, values{}, cases)
	}
}

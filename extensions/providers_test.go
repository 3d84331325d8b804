// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// ini reads the sections of an INI file.
func ini(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	sections := map[string]map[string]string{}
	var current map[string]string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "[") {
			current = map[string]string{}
			sections[strings.Trim(line, "[]")] = current
			continue
		}
		key, value, found := strings.Cut(line, " = ")
		NewWithT(t).Expect(found).To(BeTrue(), line)
		current[key] = value
	}
	return sections
}

func TestAWS(t *testing.T) {
	g := NewWithT(t)
	answers := configure(t, "providers/aws", values{"region": "eu-central-1"}, full["providers/aws"])
	least, most := answers[0], answers[1]

	g.Expect(least.Files).To(HaveLen(1))
	g.Expect(ini(t, least.Files["config"])).To(Equal(map[string]map[string]string{"default": {
		"region": "eu-central-1", "retry_mode": "standard", "max_attempts": "3", "use_fips_endpoint": "false",
	}}))
	class := object[storagev1.StorageClass](t, least, "StorageClass")
	g.Expect(class.Name).To(Equal("gp3"))
	g.Expect(class.Provisioner).To(Equal("ebs.csi.aws.com"))
	g.Expect(class.Parameters).To(Equal(map[string]string{"type": "gp3", "encrypted": "true"}))
	g.Expect(*class.VolumeBindingMode).To(Equal(storagev1.VolumeBindingWaitForFirstConsumer))

	g.Expect(ini(t, most.Files["config"])).To(Equal(map[string]map[string]string{"profile production": {
		"region": "eu-central-1", "role_arn": "arn:aws:iam::123456789012:role/deploy", "source_profile": "base",
		"retry_mode": "adaptive", "max_attempts": "5", "use_fips_endpoint": "true",
	}}))
	g.Expect(ini(t, most.Files["cloud.conf"])).To(Equal(map[string]map[string]string{"Global": {
		"KubernetesClusterID": "demo", "VPC": "vpc-0a1b2c3d", "SubnetID": "subnet-0a1b2c3d",
	}}))
	class = object[storagev1.StorageClass](t, most, "StorageClass")
	g.Expect(class.Name).To(Equal("fast"))
	g.Expect(class.Parameters).To(Equal(map[string]string{"type": "io2", "encrypted": "false", "iops": "4000"}))
}

func TestAWSRefuses(t *testing.T) {
	role := "arn:aws:iam::123456789012:role/deploy"
	expectRefused(t, "providers/aws", values{"region": "eu-central-1"}, []refusal{
		{values{"region": "europe"}, `region is "europe"`},
		{values{"profile": "a b"}, `profile is "a b"`},
		{values{"retry_mode": "never"}, `retry_mode is "never"`},
		{values{"max_attempts": 0}, "max_attempts is 0"},
		{values{"max_attempts": 21}, "max_attempts is 21"},
		{values{"storage_class": "Fast"}, `storage_class is "Fast"`},
		{values{"vpc": "vpc-0a1b2c3d"}, "without cluster_id"},
		{values{"cluster_id": "demo", "vpc": "0a1b2c3d"}, `vpc is "0a1b2c3d"`},
		{values{"cluster_id": "demo", "subnet": "vpc-0a1b2c3d"}, `subnet is "vpc-0a1b2c3d"`},
		{values{"role_arn": role}, "role_arn needs one source"},
		{values{"role_arn": role, "source_profile": "base", "credential_source": "Environment"}, "role_arn needs one source"},
		{values{"role_arn": "arn:aws:iam::1:role/x", "source_profile": "base"}, "role_arn is"},
		{values{"role_arn": role, "credential_source": "Disk"}, `credential_source is "Disk"`},
		{values{"source_profile": "base"}, "need role_arn"},
		{values{"volume_type": "gp9"}, `volume_type is "gp9"`},
		{values{"volume_iops": 2999}, "volume_iops is 2999"},
		{values{"volume_iops": 16001}, "volume_iops is 16001"},
		{values{"volume_type": "io2"}, "volume_iops is 0"},
		{values{"volume_type": "st1", "volume_iops": 3000}, "volume_iops is set for st1"},
	})
}

func TestUpCloud(t *testing.T) {
	g := NewWithT(t)
	answers := configure(t, "providers/upcloud", values{"zone": "fi-hel1"}, full["providers/upcloud"])

	var module struct {
		Terraform struct {
			RequiredProviders map[string]struct{ Source, Version string } `json:"required_providers"`
		}
		Provider struct{ Upcloud map[string]int }
		Resource struct {
			Router  map[string]map[string]string `json:"upcloud_router"`
			Network map[string]struct {
				Name, Zone, Router string
				IPNetwork          struct {
					Address, Family string
					DHCP            bool
				} `json:"ip_network"`
			} `json:"upcloud_network"`
		}
	}
	g.Expect(json.Unmarshal([]byte(answers[0].Files["upcloud.tf.json"]), &module)).To(Succeed())
	g.Expect(module.Terraform.RequiredProviders["upcloud"].Source).To(Equal("UpCloudLtd/upcloud"))
	g.Expect(module.Provider.Upcloud).To(Equal(map[string]int{
		"retry_max": 4, "retry_wait_min_sec": 1, "retry_wait_max_sec": 30, "request_timeout_sec": 120,
	}))
	network := module.Resource.Network["main"]
	g.Expect(network.Zone).To(Equal("fi-hel1"))
	g.Expect(network.Router).To(Equal("${upcloud_router.main.id}"))
	g.Expect(network.IPNetwork.Address).To(Equal("10.100.0.0/24"))
	g.Expect(network.IPNetwork.DHCP).To(BeTrue())

	g.Expect(json.Unmarshal([]byte(answers[1].Files["upcloud.tf.json"]), &module)).To(Succeed())
	g.Expect(module.Provider.Upcloud).To(Equal(map[string]int{
		"retry_max": 2, "retry_wait_min_sec": 3, "retry_wait_max_sec": 9, "request_timeout_sec": 60,
	}))
	g.Expect(module.Resource.Router["main"]["name"]).To(Equal("lab"))
	g.Expect(module.Resource.Network["main"].IPNetwork.Address).To(Equal("10.20.0.0/24"))
	g.Expect(module.Resource.Network["main"].IPNetwork.DHCP).To(BeFalse())
	class := object[storagev1.StorageClass](t, answers[1], "StorageClass")
	g.Expect(class.Name).To(Equal("slow"))
	g.Expect(class.Provisioner).To(Equal("storage.csi.upcloud.com"))
	g.Expect(class.Parameters).To(Equal(map[string]string{"tier": "hdd"}))
	g.Expect(*class.ReclaimPolicy).To(Equal(corev1.PersistentVolumeReclaimRetain))
}

func TestUpCloudRefuses(t *testing.T) {
	expectRefused(t, "providers/upcloud", values{"zone": "fi-hel1"}, []refusal{
		{values{"zone": "helsinki"}, `zone is "helsinki"`},
		{values{"name": "Lab"}, `name is "Lab"`},
		{values{"network": "10.0.0.0"}, `network is "10.0.0.0"`},
		{values{"network": "10.0.0.256/24"}, `network is "10.0.0.256/24"`},
		{values{"network": "10.0.0.0/30"}, "network is 10.0.0.0/30"},
		{values{"network": "10.0.0.0/7"}, "network is 10.0.0.0/7"},
		{values{"network": "fd00::/64"}, "network is fd00::/64"},
		{values{"retry_max": 21}, "retry_max is 21"},
		{values{"retry_max": -1}, "retry_max is -1"},
		{values{"retry_wait_min_s": 0}, "retry_wait_min_s is 0"},
		{values{"retry_wait_min_s": 10, "retry_wait_max_s": 9}, "retry_wait_max_s is 9"},
		{values{"request_timeout_s": 601}, "request_timeout_s is 601"},
		{values{"storage_class": ""}, `storage_class is ""`},
		{values{"storage_tier": "tape"}, `storage_tier is "tape"`},
		{values{"reclaim_policy": "Recycle"}, `reclaim_policy is "Recycle"`},
	})
}

func TestLocal(t *testing.T) {
	g := NewWithT(t)
	got := configured(t, "providers/local", full["providers/local"])
	g.Expect(got.Files).To(Equal(map[string]string{
		"hosts": "10.0.0.11 alpha.lab.example.org alpha\nfd00::12 beta.lab.example.org beta\n",
	}))
	class := object[storagev1.StorageClass](t, got, "StorageClass")
	g.Expect(class.Name).To(Equal("disks"))
	g.Expect(class.Provisioner).To(Equal("kubernetes.io/no-provisioner"))
	volume := object[corev1.PersistentVolume](t, got, "PersistentVolume")
	g.Expect(volume.Name).To(Equal("alpha-mnt-disk1"))
	g.Expect(volume.Spec.Local.Path).To(Equal("/mnt/disk1"))
	g.Expect(volume.Spec.StorageClassName).To(Equal("disks"))
	g.Expect(volume.Spec.Capacity.Storage().String()).To(Equal("100Gi"))
	g.Expect(volume.Spec.PersistentVolumeReclaimPolicy).To(Equal(corev1.PersistentVolumeReclaimDelete))
	term := volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
	g.Expect(term.Key).To(Equal(corev1.LabelHostname))
	g.Expect(term.Values).To(Equal([]string{"alpha"}))
}

func TestLocalRefuses(t *testing.T) {
	node := values{"name": "alpha", "address": "10.0.0.11"}
	volume := values{"node": "alpha", "path": "/mnt/disk1", "size": "1Gi"}
	volumes := func(list ...any) values { return values{"volumes": list} }
	expectRefused(t, "providers/local", values{"nodes": []values{node}}, []refusal{
		{values{"nodes": []values{}}, "nodes is empty"},
		{values{"nodes": []values{node, {"name": "alpha", "address": "10.0.0.12"}}}, "two nodes have the name alpha"},
		{values{"nodes": []values{node, {"name": "beta", "address": "10.0.0.11"}}}, "two nodes have the address 10.0.0.11"},
		{values{"nodes": []values{node.with(values{"name": "a\nb"})}}, `name is "a\nb"`},
		{values{"nodes": []values{node.with(values{"address": "alpha"})}}, `address is "alpha"`},
		{values{"nodes": []values{node.with(values{"rack": "3"})}}, "unknown value rack"},
		{values{"domain": "a..b"}, `domain is "a..b"`},
		{values{"storage_class": "A"}, `storage_class is "A"`},
		{values{"reclaim_policy": "Keep"}, `reclaim_policy is "Keep"`},
		{volumes(3), "volumes has 3"},
		{volumes(values{}), `a volume is on ""`},
		{volumes(volume.with(values{"node": "beta"})), `a volume is on "beta"`},
		{volumes(volume.with(values{"path": "/mnt/../etc"})), `path is "/mnt/../etc"`},
		{volumes(volume.with(values{"path": "mnt"})), `path is "mnt"`},
		{volumes(volume.with(values{"path": "/" + strings.Repeat("a", 128)})), "path is 129 characters long"},
		{volumes(volume.with(values{"size": "1 GB"})), `size is "1 GB"`},
		{volumes(volume.with(values{"size": 5})), "size is of type int"},
		{volumes(volume, volume), "two volumes have the place alpha:/mnt/disk1"},
		{volumes(volume, volume.with(values{"path": "/mnt.disk1"})), "two volumes would have the name alpha-mnt-disk1"},
	})
}

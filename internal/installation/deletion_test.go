// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
)

func uninstalls(i *api.Installation) { i.Spec.DeletionPolicy = api.UninstallOnDeletion }

// uninstalled is what an uninstall is at that was seen.
func uninstalled(g Gomega, seen string) *api.Installation {
	return ran(g, installed(g), api.UninstallPurpose, seen)
}

func TestHowAnInstallationLeaves(t *testing.T) {
	none := installation.Obstacles{}
	for _, c := range []struct {
		name   string
		past   past
		change []func(*api.Installation)
		facts  installation.Obstacles
		after  time.Duration
		want   string
		left   string
	}{
		{"Orphan", installed, nil, none, 0, "release", ""},
		{"Orphan while an attempt runs", underWay, nil, none, 0, "release", ""},
		{"nothing was ever begun", fresh, []func(*api.Installation){uninstalls}, none, 0, "release", ""},
		{"nothing but a plan", planned, []func(*api.Installation){uninstalls}, none, 0, "release", ""},
		{"what is installed", installed, []func(*api.Installation){uninstalls}, none, 0, "run", ""},
		{"what a failed attempt may have left", broken, []func(*api.Installation){uninstalls}, none, 0, "run", ""},
		{"an attempt runs", underWay, []func(*api.Installation){uninstalls}, none, 0, "observe", ""},
		{"the uninstall runs", func(g Gomega) *api.Installation { return uninstalled(g, "configure runs") }, []func(*api.Installation){uninstalls}, none, 0, "observe", ""},
		{"the uninstall has failed", func(g Gomega) *api.Installation { return uninstalled(g, "wrong values") }, []func(*api.Installation){uninstalls}, none, 0, "wait", ""},
		{"the uninstall has failed, and is retried", func(g Gomega) *api.Installation { return uninstalled(g, "wrong values") },
			[]func(*api.Installation){uninstalls, retry}, none, 0, "run", ""},
		{"the uninstall has failed, until time is up", func(g Gomega) *api.Installation { return uninstalled(g, "wrong values") },
			[]func(*api.Installation){uninstalls}, none, 20 * time.Minute, "release", "left behind, because it was not uninstalled in time"},
		{"it is done", func(g Gomega) *api.Installation { return uninstalled(g, "the pod of a complete Job is gone") },
			[]func(*api.Installation){uninstalls}, none, 0, "release", ""},
		{"it is done, and the namespace goes", func(g Gomega) *api.Installation { return uninstalled(g, "the pod of a complete Job is gone") },
			[]func(*api.Installation){uninstalls}, installation.Obstacles{NamespaceTerminating: true}, 0, "release", ""},
		{"the namespace goes", installed, []func(*api.Installation){uninstalls}, installation.Obstacles{NamespaceTerminating: true}, 0, "release",
			"what postgresql 16.4.0 installed is left behind, because its namespace is being deleted"},
		{"the payload is gone", installed, []func(*api.Installation){uninstalls}, installation.Obstacles{Why: "its payload was deleted"}, 0, "release",
			"because its payload was deleted; it has the label extensions.provisioning.dev/installation-uid=6f1c8e0a-0000-4000-8000-000000000001"},
		{"suspended", installed, []func(*api.Installation){uninstalls, suspended}, none, 0, "release", "because it is suspended"},
		{"an attempt that hangs past the deadline", underWay, []func(*api.Installation){uninstalls}, none, 20 * time.Minute, "release", "not uninstalled in time"},
		{"just before the deadline", installed, []func(*api.Installation){uninstalls}, none, 20*time.Minute - time.Second, "run", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			inst := c.past(g)
			for _, change := range c.change {
				change(inst)
			}
			inst.DeletionTimestamp = ptr.To(metav1.NewTime(noon))
			f := installation.Leave(inst, c.facts, noon.Add(c.after))
			got := "wait"
			switch {
			case f.Release:
				got = "release"
			case f.Observe:
				got = "observe"
			case f.Run != nil:
				got = "run"
			}
			g.Expect(got).To(Equal(c.want))
			g.Expect(f.Left).To(ContainSubstring(c.left))
			g.Expect(f.Left == "").To(Equal(c.left == ""), f.Left)
			if !f.Release {
				g.Expect(f.Again).To(Equal(20*time.Minute-c.after), "the deadline counts from the deletion")
			}
		})
	}
}

// What is taken away is what is installed, not what was tried since.
func TestTheInstalledPlanIsTakenAway(t *testing.T) {
	g := NewWithT(t)
	inst := installed(g)
	content := inst.Status.Installed.ContentDigest
	otherValues(inst)
	later := ran(g, inst, api.ApplyPurpose, "install failed")
	later.Status.Plan.ContentDigest, later.Status.Plan.Version = string(digest("9")), "17.2.0"
	target := installation.TargetOf(later)
	g.Expect(target.Version).To(Equal("16.4.0"))
	g.Expect(target.Content).To(Equal(extension.Digest(content)))
	g.Expect(string(target.Spec)).To(Equal(later.Status.Installed.SpecDigest))
}

// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"provisioning.dev/extension-operator/internal/installation"
)

// term is that of the Leases of these tests.
const term = time.Second

// lease makes one that a process has, and may renew.
func lease(t *testing.T, g *WithT, admin client.Client, name, holder string, handles bool) *coordinationv1.Lease {
	object := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: installation.LeaseLabels(handles)},
		Spec: resourcelock.LeaderElectionRecordToLeaseSpec(&resourcelock.LeaderElectionRecord{
			HolderIdentity: holder, LeaseDurationSeconds: int(term / time.Second), AcquireTime: metav1.Now(), RenewTime: metav1.Now(),
		}),
	}
	g.Expect(admin.Create(t.Context(), object)).To(Succeed())
	t.Cleanup(func() { g.Expect(admin.Delete(context.Background(), object)).To(Succeed()) })
	return object
}

// soon changes a Lease while it is waited for.
func soon(t *testing.T, g *WithT, admin client.Client, held *coordinationv1.Lease, change func(*coordinationv1.LeaseSpec)) {
	changed := make(chan error, 1)
	go func(lease *coordinationv1.Lease) {
		time.Sleep(term / 4)
		change(&lease.Spec)
		changed <- admin.Update(context.Background(), lease)
	}(held.DeepCopy())
	t.Cleanup(func() { g.Expect(<-changed).To(Succeed()) })
}

// awaited waits as the Job of an uninstall, and returns for whom and how long.
func awaited(t *testing.T, c client.Client) (whom []string, took time.Duration, err error) {
	began := time.Now()
	err = installation.AwaitNoLeader(t.Context(), c, func(l installation.Leader, _ time.Duration) { whom = append(whom, l.Name) })
	return whom, time.Since(began), err
}

func TestNobodyIsWaitedForWhereNobodyHoldsALease(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	whom, took, err := awaited(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(whom).To(BeEmpty())
	g.Expect(took).To(BeNumerically("<", term))

	lease(t, g, admin, installation.InstallerLease, "", true)
	lease(t, g, admin, installation.LoaderLease, "extension-manager-0", false)
	whom, took, err = awaited(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(took).To(BeNumerically("<", term))
	g.Expect(whom).To(BeEmpty(), "one has given its Lease back, the other handles no Installations")
}

func TestTheLeaseOfOneThatDiedIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	held := lease(t, g, admin, installation.InstallerLease, "extension-installer-0_a", true)
	// Its clock is wrong.
	held.Spec.RenewTime = ptr.To(metav1.NewMicroTime(time.Now().Add(24 * time.Hour)))
	g.Expect(admin.Update(t.Context(), held)).To(Succeed())
	whom, took, err := awaited(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(whom).To(Equal([]string{"extension-installer-0_a"}))
	g.Expect(took).To(BeNumerically(">=", term))
}

func TestALivingLeaderIsTold(t *testing.T) {
	for name, deployment := range map[string]string{installation.InstallerLease: "extension-installer", installation.LoaderLease: "extension-manager"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, admin := uninstaller(g)
			held := lease(t, g, admin, name, "pod-0_a", true)
			soon(t, g, admin, held, func(spec *coordinationv1.LeaseSpec) { spec.RenewTime = ptr.To(metav1.NowMicro()) })
			_, _, err := awaited(t, c)
			g.Expect(err).To(MatchError(And(ContainSubstring("pod-0_a holds the Lease default/"+name+" and renews it"), ContainSubstring("--stop=default/"+deployment+" "))))
		})
	}
}

// TestAnEndIsNoticed: a leader that ends in order while it is waited for gives its Lease back.
func TestAnEndIsNoticed(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	held := lease(t, g, admin, installation.InstallerLease, "pod-0_a", true)
	held.Spec.LeaseDurationSeconds = ptr.To[int32](60)
	g.Expect(admin.Update(t.Context(), held)).To(Succeed())
	soon(t, g, admin, held, func(spec *coordinationv1.LeaseSpec) { spec.HolderIdentity = ptr.To("") })
	_, took, err := awaited(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(took).To(BeNumerically("<", 20*time.Second))
}

// TestWhoMayNotLookIsTold which right it takes, and nothing is released on a guess.
func TestWhoMayNotLookIsTold(t *testing.T) {
	g := NewWithT(t)
	plane, err := theCluster()
	g.Expect(err).NotTo(HaveOccurred())
	nobody := rest.CopyConfig(plane.root)
	nobody.Impersonate.UserName = "nobody"
	c, err := client.New(nobody, client.Options{Scheme: testScheme()})
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = awaited(t, c)
	g.Expect(err).To(MatchError(And(ContainSubstring("takes the right to list it"), ContainSubstring(`"nobody" cannot list resource "leases"`))))
}

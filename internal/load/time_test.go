// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

// stop ends b as the manager does, and tells when Start has returned.
func stop(b *bench) <-chan error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- b.Start(ctx) }()
	return stopped
}

func TestTheTimeoutCountsFromTheSlot(t *testing.T) {
	b := newBench(t, func(o *load.Options) { o.Slots = 1 })
	b.nu.check = hang
	first, second := b.request(b.put("etcd", "3.5.0")), b.request(b.put("etcd", "3.5.1"))
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		began := time.Now()
		one := b.Load(first, func() {})
		synctest.Wait()
		two := b.Load(second, func() {})
		_, err := one.Outcome()
		g.Expect(time.Since(began)).To(Equal(time.Minute))
		expectTimeout(g, err, "taskserv:etcd:3.5.0")
		_, err = two.Outcome()
		g.Expect(time.Since(began)).To(Equal(2*time.Minute), "it waited a minute for its slot and then had its own")
		expectTimeout(g, err, "taskserv:etcd:3.5.1")
		g.Expect(b.Stats().Entries).To(BeZero())
		synctest.Wait()
	})
}

func expectTimeout(g Gomega, err error, key string) {
	fault := extension.AsFault(err)
	g.Expect(fault.Code).To(Equal(extension.LoadTimeout))
	g.Expect(fault.Class()).To(Equal(extension.Retryable))
	g.Expect(fault).To(MatchError("loading " + key + " did not end within 1m0s; look at the load of the machine, or raise --load-timeout"))
	g.Expect(fault).To(MatchError(context.DeadlineExceeded))
}

// The runner knows better than the loader what took so long.
func TestTheRunnersOwnTimeoutIsKept(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	own := extension.NewTransientFault(extension.LoadTimeout, context.DeadlineExceeded, "look for a constant")
	b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
		return extension.Checked{}, own
	}
	_, err := b.load(b.request(b.put("etcd", "3.5.0")))
	g.Expect(err).To(BeIdenticalTo(own))
}

func TestStopEndsLoadsThatRunAndThatWait(t *testing.T) {
	b := newBench(t, func(o *load.Options) { o.Slots = 2 })
	var requests []load.Request
	for i := range 6 {
		req := b.request(b.put("etcd", fmt.Sprintf("3.5.%d", i)))
		req.Namespace = fmt.Sprint("team-", i%2)
		requests = append(requests, req)
	}
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		mayEnd := make(chan struct{})
		b.nu.check = func(ctx context.Context, plan extension.Plan) (extension.Checked, error) {
			checked, err := hang(ctx, plan)
			<-mayEnd // such as a process group that takes its time to die
			return checked, err
		}
		var flights []*load.Flight
		for _, req := range requests {
			flights = append(flights, b.Load(req, func() {}))
		}
		synctest.Wait()
		g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(2))
		stopped := stop(b)
		synctest.Wait()
		g.Expect(stopped).NotTo(Receive(), "a load is still running")

		close(mayEnd)
		g.Expect(<-stopped).NotTo(HaveOccurred())
		for _, f := range flights {
			_, err := f.Outcome()
			g.Expect(err).To(MatchError(context.Canceled))
		}
		g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(2), "those that waited never ran")
		synctest.Wait()
	})
}

func TestALoadAfterTheStopEndsAtOnce(t *testing.T) {
	b := newBench(t, nil)
	req := b.request(b.put("etcd", "3.5.0"))
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(<-stop(b)).NotTo(HaveOccurred())
		notified := make(chan struct{})
		_, err := b.Load(req, func() { close(notified) }).Outcome()
		g.Expect(err).To(MatchError(context.Canceled))
		<-notified
		g.Expect(b.nu.checks.Load()).To(BeZero())
		g.Expect(b.Stats().Entries).To(BeZero())
		synctest.Wait()
	})
}

func TestHangingLoadsLeaveASlotToOtherNamespaces(t *testing.T) {
	b := newBench(t, func(o *load.Options) { o.Slots = 2 })
	var hanging []load.Request
	for i := range 5 {
		req := b.request(b.put("hangs", fmt.Sprintf("1.0.%d", i)))
		req.Namespace = "hostile"
		hanging = append(hanging, req)
	}
	var others []load.Request
	for i := range 3 {
		req := b.request(b.put("etcd", fmt.Sprintf("3.5.%d", i)))
		req.Namespace = fmt.Sprint("team-", i)
		others = append(others, req)
	}
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b.nu.check = func(ctx context.Context, plan extension.Plan) (extension.Checked, error) {
			if plan.Root().Key.Name == "hangs" {
				return hang(ctx, plan)
			}
			return extension.Checked{}, nil
		}
		for _, req := range hanging {
			b.Load(req, func() {})
		}
		synctest.Wait()
		began := time.Now()
		for _, req := range others {
			_, err := b.load(req)
			g.Expect(err).NotTo(HaveOccurred())
		}
		g.Expect(time.Since(began)).To(BeZero(), "they waited for nobody")
		g.Expect(<-stop(b)).NotTo(HaveOccurred())
		synctest.Wait()
	})
}

func TestTheLoaderBelongsToTheProcess(t *testing.T) {
	NewWithT(t).Expect(newBench(t, nil).NeedLeaderElection()).To(BeFalse())
}

// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

func TestNewNeedsACache(t *testing.T) {
	_, err := load.New(load.Options{CacheSize: 0})
	NewWithT(t).Expect(err).To(HaveOccurred())
}

func TestAGoodLoad(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	b := newBench(t, func(o *load.Options) { o.Now = func() time.Time { return now } })
	etcd, kubernetes := b.put("etcd", "3.5.0"), b.put("kubernetes", "1.28.0", "etcd")
	req := b.request(etcd, kubernetes)
	notified := make(chan struct{})
	flight := b.Load(req, func() { close(notified) })
	<-notified
	g.Expect(flight.Ended()).To(BeTrue(), "notified when it has ended")
	g.Expect(flight.Done()).To(BeClosed())
	loaded, err := flight.Outcome()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(loaded).To(Equal(&extension.Loaded{
		Key: kubernetes.Key, InputDigest: req.InputDigest, Metadata: kubernetes.Metadata, Hooks: []string{"configure"},
		Enforcement: extension.Enforcement{Level: "Partial"}, At: now,
	}))
	g.Expect(b.Stats()).To(Equal(load.Stats{Runs: 2, Misses: 2, Entries: 2}))
}

func TestAMemoHitHasEndedAndRunsNothing(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	req := b.request(b.put("etcd", "3.5.0"))
	first, err := b.load(req)
	g.Expect(err).NotTo(HaveOccurred())

	req.Namespace = "team-b"
	flight := b.Load(req, func() { t.Error("nobody is notified of what has ended already") })
	g.Expect(flight.Ended()).To(BeTrue())
	again, err := flight.Outcome()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(BeIdenticalTo(first))
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(1))
	g.Expect(b.Stats()).To(Equal(load.Stats{Runs: 1, Hits: 1, Misses: 1, Entries: 1}))

	g.Expect(b.Clear(extension.Key{}, "")).To(Equal(1))
	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(2), "what was cleared is loaded again")
}

func TestOneKeyIsForgottenAlone(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, func(o *load.Options) { o.CacheSize = 2 })
	etcd, other := b.put("etcd", "3.5.0"), b.put("containerd", "2.0.0")
	for _, m := range []extension.Member{etcd, other} {
		_, err := b.load(b.request(m))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(b.Clear(extension.Key{Type: extension.Taskserv, Name: "etcd", Version: "3.6.0"}, "alice")).To(BeZero())
	g.Expect(b.Clear(etcd.Key, "alice")).To(Equal(1))
	g.Expect(b.Stats().Entries).To(Equal(1))
	_, err := b.load(b.request(other))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.Stats().Hits).To(BeEquivalentTo(1))
	for _, m := range []extension.Member{etcd, b.put("postgresql", "16.0.0")} {
		_, err := b.load(b.request(m))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(b.Stats().Evictions).To(BeEquivalentTo(1))
}

func TestManyAskersOneLoad(t *testing.T) {
	b := newBench(t, nil)
	req := b.request(b.put("etcd", "3.5.0"))
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		release := make(chan struct{})
		b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
			<-release
			return extension.Checked{}, nil
		}
		var notified atomic.Int32
		var flights []*load.Flight
		for i := range 64 {
			req.Namespace = fmt.Sprint("team-", i)
			flights = append(flights, b.Load(req, func() { notified.Add(1) }))
		}
		synctest.Wait()
		for _, f := range flights {
			g.Expect(f.Ended()).To(BeFalse())
		}
		g.Expect(b.Stats()).To(Equal(load.Stats{Runs: 1, Misses: 64, InUse: 1}))
		close(release)
		synctest.Wait()
		first, _ := flights[0].Outcome()
		for _, f := range flights {
			loaded, err := f.Outcome()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(loaded).To(BeIdenticalTo(first))
		}
		g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(1))
		g.Expect(notified.Load()).To(BeEquivalentTo(64), "each asker is notified once")
		g.Expect(b.Stats()).To(Equal(load.Stats{Runs: 1, Misses: 64, Collapsed: 63, Entries: 1}))
	})
}

func TestFreshRunsAgain(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	req := b.request(b.put("etcd", "3.5.0"))
	old, err := b.load(req)
	g.Expect(err).NotTo(HaveOccurred())

	req.Fresh = true
	fresh, err := b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(fresh).NotTo(BeIdenticalTo(old))
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(2))

	req.Fresh = false
	now, err := b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(now).To(BeIdenticalTo(fresh), "the newest outcome is the one remembered")
}

// The same input has one load at a time, also when it is asked for afresh.
func TestFreshJoinsALoadUnderWay(t *testing.T) {
	b := newBench(t, nil)
	req := b.request(b.put("etcd", "3.5.0"))
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		release := make(chan struct{})
		b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
			<-release
			return extension.Checked{}, nil
		}
		first := b.Load(req, func() {})
		synctest.Wait()
		req.Fresh = true
		second := b.Load(req, func() {})
		close(release)
		one, err := first.Outcome()
		g.Expect(err).NotTo(HaveOccurred())
		two, _ := second.Outcome()
		g.Expect(two).To(BeIdenticalTo(one))
		g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(1))
		synctest.Wait()
	})
}

func TestOnlyWhatTheInputDecidesIsRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		remembered bool
	}{
		"a terminal fault":          {extension.NewFault(extension.LoadFailed, "it does not parse"), true},
		"a wrapped terminal fault":  {fmt.Errorf("load: %w", extension.NewFault(extension.LimitExceeded, "too large")), true},
		"a signal":                  {extension.NewTransientFault(extension.LoadFailed, nil, "killed"), false},
		"a timeout":                 {extension.NewTransientFault(extension.LoadTimeout, nil, "too slow"), false},
		"a timeout by its code":     {extension.NewFault(extension.LoadTimeout, "too slow"), false},
		"no nu":                     {extension.NewFault(extension.NushellUnavailable, "no nu"), false},
		"no sandbox":                {extension.NewFault(extension.SandboxUnavailable, "no sandbox"), false},
		"an error of the operator":  {extension.NewFault(extension.InternalError, "oh"), false},
		"what waits for a catalog":  {extension.NewFault(extension.VersionNotFound, "gone"), false},
		"what waits for an event":   {extension.NewFault(extension.DependencyNotReady, "soon"), false},
		"a cancel":                  {context.Canceled, false},
		"a deadline":                {context.DeadlineExceeded, false},
		"an error that is no fault": {errors.New("oh"), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, nil)
			b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
				return extension.Checked{Hooks: []string{"configure"}}, c.err
			}
			req := b.request(b.put("etcd", "3.5.0"))
			for range 2 {
				loaded, err := b.load(req)
				g.Expect(loaded).To(BeNil())
				g.Expect(errors.Is(err, c.err)).To(BeTrue(), "%v", err)
			}
			g.Expect(b.Stats().Entries == 1).To(Equal(c.remembered))
			g.Expect(b.nu.checks.Load() == 1).To(Equal(c.remembered))
		})
	}
}

// A verdict of other tools is not that of the input digest, good or bad.
func TestToolsThatAreReplacedInTheQueueDecideNothing(t *testing.T) {
	for name, verdict := range map[string]error{
		"a good load": nil, "a terminal fault": extension.NewFault(extension.LoadFailed, "it does not parse"),
	} {
		for tool, replaced := range map[string]extension.Toolchain{
			"nu": {Nushell: digest("1")}, "the program": {Program: digest("1")}, "the protocol": {Protocol: 1},
		} {
			t.Run(name+" by another of "+tool, func(t *testing.T) {
				g := NewWithT(t)
				b := newBench(t, nil)
				b.nu.replaced = &replaced
				b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
					return extension.Checked{}, verdict
				}
				req := b.request(b.put("etcd", "3.5.0"))
				loaded, err := b.load(req)
				g.Expect(loaded).To(BeNil())
				fault := extension.AsFault(err)
				g.Expect(fault.Code).To(Equal(extension.LoadFailed))
				g.Expect(fault.Class()).To(Equal(extension.Retryable))
				g.Expect(fault.Message).To(Equal("Nushell or the loading program was replaced meanwhile; it is tried again"))
				g.Expect(b.Stats().Entries).To(BeZero())

				b.nu.tools, b.nu.replaced, b.nu.check = replaced, nil, nil
				again := load.Request{Plan: req.Plan, Namespace: req.Namespace}
				again.InputDigest, err = b.InputDigest(t.Context(), req.Plan)
				g.Expect(err).NotTo(HaveOccurred())
				loaded, err = b.load(again)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(loaded.InputDigest).NotTo(Equal(req.InputDigest))
			})
		}
	}
}

func TestTheMemoIsBounded(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, func(o *load.Options) { o.CacheSize = 3 })
	for i := range 5 {
		_, err := b.load(b.request(b.put("etcd", fmt.Sprintf("3.5.%d", i))))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(b.Stats().Entries).To(Equal(3))
	_, err := b.load(b.request(b.put("etcd", "3.5.4")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(5), "the newest is there")
	_, err = b.load(b.request(b.put("etcd", "3.5.0")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(6), "the oldest went")
}

func TestADependencySeesNothingOfWhatDependsOnIt(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	etcd, kubernetes := b.put("etcd", "3.5.0"), b.put("kubernetes", "1.28.0", "etcd")
	var seen [][]extension.Member
	b.nu.check = func(_ context.Context, plan extension.Plan) (extension.Checked, error) {
		seen = append(seen, plan.Members)
		return extension.Checked{}, nil
	}
	_, err := b.load(b.request(etcd, kubernetes))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(seen).To(Equal([][]extension.Member{{etcd}, {etcd, kubernetes}}))
}

// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

func TestInputDigestCoversWhatDecidesALoadAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.tools = extension.Toolchain{NushellVersion: "0.115.1", Nushell: digest("1"), Program: digest("2"), Protocol: 1}
	compute := func(change func(*extension.Plan, *extension.Toolchain)) extension.Digest {
		member := func(name, hex string) extension.Member {
			return extension.Member{
				Key: extension.Key{Type: extension.Taskserv, Name: name, Version: "1.0.0"}, Digest: digest(hex), Catalog: "builtin",
			}
		}
		plan := extension.Plan{Members: []extension.Member{member("etcd", "a"), member("kubernetes", "b")}}
		tools := b.nu.tools
		defer func() { b.nu.tools = tools }()
		change(&plan, &b.nu.tools)
		d, err := b.InputDigest(context.Background(), plan)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(d.Valid()).To(BeTrue())
		return d
	}
	same := compute(func(*extension.Plan, *extension.Toolchain) {})

	seen := map[extension.Digest]string{same: "nothing"}
	for what, change := range map[string]func(*extension.Plan, *extension.Toolchain){
		"root's version":       func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Key.Version = "1.0.1" },
		"root's name":          func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Key.Name = "k3s" },
		"root's type":          func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Key.Type = extension.Cluster },
		"root's content":       func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Digest = digest("c") },
		"dependency's version": func(p *extension.Plan, _ *extension.Toolchain) { p.Members[0].Key.Version = "1.0.1" },
		"dependency's content": func(p *extension.Plan, _ *extension.Toolchain) { p.Members[0].Digest = digest("c") },
		"order": func(p *extension.Plan, _ *extension.Toolchain) {
			p.Members[0], p.Members[1] = p.Members[1], p.Members[0]
		},
		"contents swapped": func(p *extension.Plan, _ *extension.Toolchain) {
			p.Members[0].Digest, p.Members[1].Digest = p.Members[1].Digest, p.Members[0].Digest
		},
		"one member less": func(p *extension.Plan, _ *extension.Toolchain) { p.Members = p.Members[1:] },
		"nu":              func(_ *extension.Plan, t *extension.Toolchain) { t.Nushell = digest("3") },
		"program":         func(_ *extension.Plan, t *extension.Toolchain) { t.Program = digest("3") },
		"nu and program swapped": func(_ *extension.Plan, t *extension.Toolchain) {
			t.Nushell, t.Program = t.Program, t.Nushell
		},
		"protocol": func(_ *extension.Plan, t *extension.Toolchain) { t.Protocol = 2 },
	} {
		d := compute(change)
		g.Expect(seen).NotTo(HaveKey(d), "%s gives the digest of %s", what, seen[d])
		seen[d] = what
	}
	for what, change := range map[string]func(*extension.Plan, *extension.Toolchain){
		"catalog":        func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Catalog = "other" },
		"path":           func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Path = "elsewhere" },
		"nu's own words": func(_ *extension.Plan, t *extension.Toolchain) { t.NushellVersion = "0.115.1 (static)" },
	} {
		g.Expect(compute(change)).To(Equal(same), what)
	}
}

func TestInputDigestFailsAsTheToolchainDoes(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.err = extension.NewFault(extension.NushellUnavailable, "there is no nu")
	input, err := b.InputDigest(context.Background(), extension.Plan{})
	g.Expect(err).To(BeIdenticalTo(b.nu.err))
	g.Expect(input).To(BeEmpty())
}

func TestAGoodLoad(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	b := newBench(t, func(o *load.Options) { o.Now = func() time.Time { return now } })
	etcd, kubernetes := b.put("etcd", "3.5.0"), b.put("kubernetes", "1.28.0")
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
	g.Expect(b.Stats()).To(Equal(load.Stats{Runs: 1, Entries: 1}))
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
	g.Expect(b.Stats()).To(Equal(load.Stats{Runs: 1, Hits: 1, Entries: 1}))

	g.Expect(b.Clear()).To(Equal(1))
	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(2), "what was cleared is loaded again")
}

func TestManyAskersOneLoad(t *testing.T) {
	b := newBench(t, nil)
	req := b.request(b.put("etcd", "3.5.0"))
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		release := make(chan struct{})
		b.nu.check = func(context.Context, string, extension.Plan) (extension.Checked, error) {
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
		b.nu.check = func(context.Context, string, extension.Plan) (extension.Checked, error) {
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
			b.nu.check = func(context.Context, string, extension.Plan) (extension.Checked, error) {
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
			g.Expect(b.stages(g)).To(BeEmpty(), "a failed load leaves no stage")
		})
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

func TestTheStageHoldsThePlanAndIsRemoved(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	etcd, kubernetes := b.put("etcd", "3.5.0"), b.put("kubernetes", "1.28.0")
	b.nu.check = func(_ context.Context, stage string, plan extension.Plan) (extension.Checked, error) {
		g.Expect(b.stages(g)).To(HaveLen(1))
		g.Expect(plan.Root().Key).To(Equal(kubernetes.Key))
		for _, m := range []extension.Member{etcd, kubernetes} {
			text, err := os.ReadFile(filepath.Join(stage, "taskserv", m.Key.Name, "mod.nu"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(text)).To(Equal("# " + m.Key.Version + "\n"))
		}
		return extension.Checked{}, nil
	}
	_, err := b.load(b.request(etcd, kubernetes))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(1))
	g.Expect(b.stages(g)).To(BeEmpty())
}

func TestACopyThatTheStoreLostIsNoVerdict(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	etcd := b.put("etcd", "3.5.0")
	req := b.request(etcd)
	g.Expect(os.RemoveAll(filepath.Join(b.dir, "sha256", etcd.Digest.Hex()))).To(Succeed())
	_, err := b.load(req)
	fault := extension.AsFault(err)
	g.Expect(fault.Code).To(Equal(extension.LoadFailed))
	g.Expect(fault.Class()).To(Equal(extension.Retryable))
	g.Expect(b.nu.checks.Load()).To(BeZero(), "nu never sees half a stage")
	g.Expect(b.stages(g)).To(BeEmpty())

	b.put("etcd", "3.5.0")
	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
}

// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

// ticking is a clock that goes on by a second whenever it is asked.
func ticking() func() time.Time {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func TestEachLoadIsReportedOnceWithWhoAskedForIt(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	etcd, kubernetes := b.put("etcd", "3.5.0"), b.put("kubernetes", "1.28.0", "etcd")
	req := b.request(etcd, kubernetes)
	req.Extension = "mine"
	_, err := b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.seen()).To(HaveLen(2))
	first, second := b.seen()[0], b.seen()[1]
	g.Expect(first.Member).To(Equal(etcd))
	g.Expect(first.Asker).To(Equal(extension.Asker{Namespace: "team-a", Name: "mine", Dependent: kubernetes.Key}))
	g.Expect(first.InputDigest).NotTo(Equal(req.InputDigest))
	g.Expect(second.Member).To(Equal(kubernetes))
	g.Expect(second.Asker).To(Equal(extension.Asker{Namespace: "team-a", Name: "mine"}))
	g.Expect(second.InputDigest).To(Equal(req.InputDigest))
	g.Expect(second.Fault).To(BeNil())

	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.seen()).To(HaveLen(2), "what is remembered is no load")
	g.Expect(b.recalls).To(HaveExactElements(And(HaveField("Key", kubernetes.Key), HaveField("Fault", BeNil()))))

	req.Fresh = true
	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.seen()).To(HaveLen(4))
}

func TestTheReportHasWhatTheRunnerSaidAlsoBesideAFault(t *testing.T) {
	process := extension.Process{Argv: []string{"nu", "-c", "<program>"}, ExitCode: 1, CPU: time.Millisecond}
	held := extension.Enforcement{Level: "Partial", Missing: []string{"seccomp"}}
	for name, failure := range map[string]error{
		"a fault": extension.NewFault(extension.LoadFailed, "does not parse"), "another error": errors.New("oh"), "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, func(o *load.Options) { o.Now = ticking() })
			b.nu.tools.NushellVersion = "0.115.1"
			b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
				return extension.Checked{Process: process, Enforcement: held}, failure
			}
			_, err := b.load(b.request(b.put("etcd", "3.5.0")))
			g.Expect(err == nil).To(Equal(failure == nil))
			var fault *extension.Fault
			if errors.As(failure, &fault) {
				fault.Enforcement = &held
			}
			g.Expect(b.seen()).To(HaveLen(1))
			r := b.seen()[0]
			g.Expect(r.Checked.Process).To(Equal(process))
			g.Expect(r.Checked.Enforcement).To(Equal(held))
			g.Expect(r.Checked.Toolchain.NushellVersion).To(Equal("0.115.1"))
			g.Expect(r.Ended).To(BeTemporally(">", r.Began))
			if failure == nil {
				g.Expect(r.Fault).To(BeNil())
				return
			}
			g.Expect(r.Fault).To(Equal(extension.AsFault(failure)))
		})
	}
}

func TestClearingIsReportedWithHowMuchWasForgotten(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	b := newBench(t, func(o *load.Options) { o.Now = func() time.Time { return now } })
	_, err := b.load(b.request(b.put("etcd", "3.5.0")))
	g.Expect(err).NotTo(HaveOccurred())
	b.Clear(extension.Key{}, "")
	b.Clear(extension.Key{}, "")
	g.Expect(b.clear).To(Equal([]extension.ClearRecord{{Entries: 1, At: now}, {At: now}}))
}

func TestWhatIsAnsweredFromMemoryIsToldWithItsTimeAndFault(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, func(o *load.Options) { o.Now = ticking() })
	syntax := extension.NewFault(extension.LoadFailed, "does not parse")
	b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
		return extension.Checked{}, syntax
	}
	etcd, kubernetes := b.put("etcd", "3.5.0"), b.put("kubernetes", "1.28.0", "etcd")
	for range 2 {
		_, err := b.load(b.request(etcd))
		g.Expect(err).To(BeIdenticalTo(syntax))
	}
	recalled := extension.RecallRecord{Key: etcd.Key, Took: time.Second, Fault: syntax}
	g.Expect(b.recalls).To(Equal([]extension.RecallRecord{recalled}))
	_, err := b.load(b.request(etcd, kubernetes))
	g.Expect(err).To(MatchError(ContainSubstring("a dependency failed")))
	g.Expect(b.recalls).To(Equal([]extension.RecallRecord{recalled, recalled}), "a dependency is recalled as itself")
	g.Expect(b.Stats().Hits).To(BeEquivalentTo(2))
}

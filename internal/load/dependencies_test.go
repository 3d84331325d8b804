// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

// diary notes when nu began and ended to look at each root.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lines
}

// failing makes nu refuse these names, as it would an extension that does not parse.
func failing(names ...string) func(context.Context, extension.Plan) (extension.Checked, error) {
	return func(_ context.Context, plan extension.Plan) (extension.Checked, error) {
		root := plan.Root().Key
		for _, name := range names {
			if root.Name == name {
				return extension.Checked{}, extension.NewFault(extension.LoadFailed, "taskserv %s %s does not load: %s", root.Name, root.Version, strings.Repeat("é", 999))
			}
		}
		return extension.Checked{}, nil
	}
}

func TestDependenciesAreLoadedFirstAndSideBySide(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	base, left, right, top := b.put("base", "1.0.0"), b.put("left", "1.0.0", "base"), b.put("right", "1.0.0", "base"), b.put("top", "1.0.0", "left", "right")
	var d diary
	var both sync.WaitGroup
	both.Add(2)
	b.nu.check = func(_ context.Context, plan extension.Plan) (extension.Checked, error) {
		name := plan.Root().Key.Name
		d.write("begin " + name)
		if name == "left" || name == "right" {
			both.Done()
			both.Wait() // neither ends before the other has begun
		}
		d.write("end " + name)
		return extension.Checked{}, nil
	}
	_, err := b.load(b.request(base, left, right, top))
	g.Expect(err).NotTo(HaveOccurred())
	lines := d.all()
	g.Expect(lines[:2]).To(Equal([]string{"begin base", "end base"}))
	g.Expect(lines[2:4]).To(ConsistOf("begin left", "begin right"))
	g.Expect(lines[6:]).To(Equal([]string{"begin top", "end top"}))

	_, err = b.load(b.request(base, left, right, top))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.load(b.request(base, left))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(4), "each is remembered, also as a root of its own")
}

func TestAFreshLoadRunsEachMemberOnce(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	members := []extension.Member{b.put("base", "1.0.0"), b.put("left", "1.0.0", "base"), b.put("right", "1.0.0", "base"), b.put("top", "1.0.0", "left", "right")}
	req := b.request(members...)
	_, err := b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	req.Fresh = true
	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(8))
}

func TestAFaultTellsOfTheSandboxThatItsLoadFailedIn(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	held := extension.Enforcement{Level: "Enforced"}
	b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
		return extension.Checked{Enforcement: held}, extension.NewFault(extension.LoadFailed, "does not load")
	}
	base, app := b.put("base", "1.0.0"), b.put("app", "1.0.0", "base")
	for _, req := range []load.Request{b.request(base), b.request(base, app), b.request(base, app)} {
		_, err := b.load(req)
		g.Expect(extension.AsFault(err).Enforcement).To(HaveValue(Equal(held)), "its own or that of a dependency, remembered too")
	}
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(1))

	b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
		return extension.Checked{}, extension.NewFault(extension.LimitExceeded, "no Nushell was run")
	}
	_, err := b.load(b.request(b.put("big", "1.0.0")))
	g.Expect(extension.AsFault(err).Enforcement).To(BeNil())
}

func TestTheParentSaysWhichDependencyFailedAndWhy(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.check = failing("base", "other")
	base, other, left := b.put("base", "1.0.0"), b.put("other", "2.0.0"), b.put("left", "1.0.0", "base")
	req := b.request(base, left)
	_, err := b.load(req)
	fault := extension.AsFault(err)
	g.Expect(fault.Code).To(Equal(extension.LoadFailed))
	g.Expect(fault.Class()).To(Equal(extension.Terminal))
	g.Expect(fault.Message).To(HavePrefix("a dependency failed: taskserv base 1.0.0 does not load: é"))
	g.Expect(len(fault.Message)).To(BeNumerically("<", 430), "not its whole log")
	g.Expect(fault.Dependencies).To(HaveKeyWithValue(base.Key, HavePrefix("taskserv base 1.0.0 does not load: é")))
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(1), "what depends on it is not looked at")

	_, err = b.load(b.request(base, other, left, b.put("top", "1.0.0", "left", "other")))
	fault = extension.AsFault(err)
	g.Expect(fault.Message).To(HavePrefix("a dependency failed: taskserv base 1.0.0 does"))
	g.Expect(fault.Message).To(HaveSuffix("…; so did taskserv:other:2.0.0"))
	g.Expect(fault.Dependencies).To(And(HaveLen(2), HaveKeyWithValue(other.Key, HavePrefix("taskserv other 2.0.0 does not load"))))
}

func TestADependencyThatMayPassIsNotRemembered(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.check = func(context.Context, extension.Plan) (extension.Checked, error) {
		return extension.Checked{}, extension.NewTransientFault(extension.LoadFailed, nil, "taskserv base 1.0.0 died by a signal")
	}
	req := b.request(b.put("base", "1.0.0"), b.put("top", "1.0.0", "base"))
	_, err := b.load(req)
	g.Expect(extension.AsFault(err).Class()).To(Equal(extension.Retryable))
	b.nu.check = nil
	_, err = b.load(req)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestWhatMayPassIsNotToldBesideWhatWillNot(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.check = func(_ context.Context, plan extension.Plan) (extension.Checked, error) {
		switch plan.Root().Key.Name {
		case "flaky":
			return extension.Checked{}, extension.NewTransientFault(extension.LoadFailed, nil, "died by a signal")
		case "broken":
			return extension.Checked{}, extension.NewFault(extension.LoadFailed, "does not parse")
		}
		return extension.Checked{}, nil
	}
	flaky, broken := b.put("flaky", "1.0.0"), b.put("broken", "1.0.0")
	_, err := b.load(b.request(flaky, broken, b.put("top", "1.0.0", "flaky", "broken")))
	fault := extension.AsFault(err)
	g.Expect(fault.Class()).To(Equal(extension.Terminal))
	g.Expect(fault.Message).To(Equal("a dependency failed: does not parse"))
	g.Expect(fault.Dependencies).To(Equal(map[extension.Key]string{broken.Key: "does not parse"}))
}

func TestAnExtensionThatIsLoadedAloneDoesNotPassForMore(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.check = failing("base")
	req := b.request(b.put("base", "1.0.0"), b.put("top", "1.0.0", "base"))
	alone := req
	alone.Plan.Alone = true
	var err error
	alone.InputDigest, err = b.InputDigest(t.Context(), alone.Plan)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.load(alone)
	g.Expect(err).NotTo(HaveOccurred(), "nobody looks at its dependency")
	_, err = b.load(req)
	g.Expect(err).To(HaveOccurred())
}

func TestOneHangingDependencyHoldsOneSlot(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, func(o *load.Options) { o.Timeout = 300 * time.Millisecond })
	b.nu.check = func(ctx context.Context, plan extension.Plan) (extension.Checked, error) {
		if plan.Root().Key.Name == "base" {
			return hang(ctx, plan)
		}
		return extension.Checked{}, nil
	}
	req := b.request(b.put("base", "1.0.0"), b.put("a", "1.0.0", "base"), b.put("b", "1.0.0", "base"), b.put("top", "1.0.0", "a", "b"))
	flight := b.Load(req, func() {})
	_, err := b.load(b.request(b.put("good", "1.0.0")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(flight.Ended()).To(BeFalse())
	_, err = flight.Outcome()
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.LoadTimeout))
}

func TestASharedDependencyDoesNotWaitBehindACrowd(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, func(o *load.Options) { o.Slots = 2 })
	b.nu.check = func(ctx context.Context, plan extension.Plan) (extension.Checked, error) {
		if strings.HasPrefix(plan.Root().Key.Name, "hangs") {
			return hang(ctx, plan)
		}
		return extension.Checked{}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- b.Start(ctx) }()
	for i := range 20 {
		b.Load(b.request(b.put(fmt.Sprintf("hangs-%d", i), "1.0.0")), func() {})
	}
	base := b.put("base", "1.0.0")
	first := b.request(base, b.put("first", "1.0.0", "base"))
	b.Load(first, func() {})
	second := b.request(base, b.put("second", "1.0.0", "base"))
	second.Namespace = "team-b"
	flight := b.Load(second, func() {})
	g.Eventually(flight.Done(), "5s").Should(BeClosed())
	_, err := flight.Outcome()
	g.Expect(err).NotTo(HaveOccurred())
	cancel()
	g.Expect(<-stopped).To(Succeed())
}

func TestALongChainIsLoaded(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	var members []extension.Member
	for i := range 60 {
		var on []string
		if i > 0 {
			on = []string{fmt.Sprintf("m%03d", i-1)}
		}
		members = append(members, b.put(fmt.Sprintf("m%03d", i), "1.0.0", on...))
	}
	_, err := b.load(b.request(members...))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.nu.checks.Load()).To(BeEquivalentTo(60))
}

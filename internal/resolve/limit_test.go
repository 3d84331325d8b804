// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// chain makes n names, each of which depends on the next.
func chain(n int) []string {
	lines := []string{fmt.Sprintf("link-%03d 1.0.0", n-1)}
	for i := range n - 1 {
		lines = append(lines, fmt.Sprintf("link-%03d 1.0.0: link-%03d", i, i+1))
	}
	return lines
}

func TestAPlanHasAtMost256Members(t *testing.T) {
	tooMany := "taskserv:link-000:1.0.0 depends on more than 255 others; split it"
	for n, message := range map[int]string{255: "", 256: "", 257: tooMany, 500: tooMany} {
		t.Run(fmt.Sprintf("a chain of %d", n), func(t *testing.T) {
			g := NewWithT(t)
			got, err := answered(shelves("builtin", chain(n)...), wish("link-000"))
			if message != "" {
				fault := expectFault(g, err, extension.LimitExceeded, message)
				g.Expect(fault.Class()).To(Equal(extension.Terminal))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.Plan.Members).To(HaveLen(n))
			g.Expect(got.Plan.Members[0].Key.Name).To(Equal(fmt.Sprintf("link-%03d", n-1)))
		})
	}
	t.Run("but an older root may have fewer", func(t *testing.T) {
		g := NewWithT(t)
		lines := append(chain(300), "kubernetes 1.1.0: link-000", "kubernetes 1.0.0: link-100")
		got, err := answered(shelves("builtin", lines...), wish("kubernetes"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Root().Key).To(Equal(keyOf("kubernetes@1.0.0")))
		g.Expect(got.Candidates[0].Refused).To(Equal("taskserv:kubernetes:1.1.0 depends on more than 255 others; split it"))
	})
	t.Run("a wide one", func(t *testing.T) {
		g := NewWithT(t)
		var lines, firsts []string
		for i := range 64 {
			var seconds []string
			for j := range 4 {
				seconds = append(seconds, fmt.Sprintf("second-%d-%d", i, j))
				lines = append(lines, seconds[j]+" 1.0.0")
			}
			firsts = append(firsts, fmt.Sprintf("first-%d", i))
			lines = append(lines, firsts[i]+" 1.0.0: "+strings.Join(seconds, ","))
		}
		_, err := answered(shelves("builtin", append(lines, "kubernetes 1.0.0: "+strings.Join(firsts, ","))...), wish("kubernetes"))
		expectFault(g, err, extension.LimitExceeded, "taskserv:kubernetes:1.0.0 depends on more than 255 others; split it")
	})
}

// pigeons makes n names with n-1 versions each, of which no two may have the same:
// there is no way, and no short proof that a solver could find. The name that
// refuses comes last.
func pigeons(n int) []string {
	var lines, all []string
	for i := range n {
		all = append(all, fmt.Sprintf("p%02d", i))
		for v := range n - 1 {
			var refuses []string
			for j := range n {
				if j != i {
					refuses = append(refuses, fmt.Sprintf("p%02d@!=%d.0.0", j, v))
				}
			}
			lines = append(lines, fmt.Sprintf("p%02d %d.0.0: %s", i, v, strings.Join(refuses, ",")))
		}
	}
	return append(lines, "kubernetes 1.0.0: "+strings.Join(all, ","))
}

func TestAResolutionTakesABoundedNumberOfSteps(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", pigeons(12)...)
	start := time.Now()
	got, err := answered(catalog, wish("kubernetes"))
	t.Logf("gave up after %s", time.Since(start))
	fault := expectFault(g, err, extension.LimitExceeded, "the versions of what taskserv:kubernetes:1.0.0 depends on cannot be chosen within 50000 steps; "+
		"narrow the ranges of the manifests that it depends on")
	g.Expect(fault.Class()).To(Equal(extension.Terminal))
	g.Expect(time.Since(start)).To(BeNumerically("<", 10*time.Second))
	g.Expect(got.Plan.Members).To(BeEmpty())
	g.Expect(got.Consulted).To(HaveLen(13), "a change of any of them is worth another try")
}

// counting is a context that counts the steps: each looks at it once.
type counting struct {
	context.Context
	steps int
}

func (c *counting) Err() error { c.steps++; return nil }

func TestTheBoundIsOfAllCandidatesTogether(t *testing.T) {
	g := NewWithT(t)
	lines := pigeons(7)
	needs := lines[len(lines)-1]
	for i := range 40 {
		lines = append(lines, strings.Replace(needs, "1.0.0", fmt.Sprintf("2.%d.0", i), 1))
	}
	ctx := &counting{Context: context.Background()}
	got, err := resolve.New(nil, shelves("builtin", lines...)).Resolve(ctx, wish("kubernetes@^2"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyConflict), "what was found of the newest is told")
	g.Expect(got.Candidates[len(got.Candidates)-1].Refused).To(ContainSubstring("cannot be chosen within 50000 steps"))
	g.Expect(ctx.steps).To(BeNumerically("<", 110_000), "50,000 to choose, and as many to say why not")
}

// Each version of a link takes every version of the next, so that there are 10^12
// ways to the end, and nothing is wrong but that.
func TestWhatIsWrongFarAwayIsLearntOnce(t *testing.T) {
	var lines []string
	for link := range 12 {
		for minor := range 10 {
			lines = append(lines, fmt.Sprintf("link-%02d 1.%d.0: link-%02d@^1", link, minor, link+1))
		}
	}
	lines = append(lines, "link-12 2.0.0 1.0.0")
	t.Run("where nothing goes together", func(t *testing.T) {
		g := NewWithT(t)
		ctx := &counting{Context: context.Background()}
		catalog := shelves("builtin", append(lines, "kubernetes 1.0.0: link-00, link-12@^2")...)
		got, err := resolve.New(nil, catalog).Resolve(ctx, wish("kubernetes"))
		g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyConflict), "%v", err)
		g.Expect(got.Dependencies).To(HaveLen(2 + 12*10))
		g.Expect(err).To(MatchError(HavePrefix("no versions of the dependencies go together: kubernetes 1.0.0 needs link-00; kubernetes 1.0.0 needs link-12@^2; " +
			"link-00 1.9.0, 1.8.0, 1.7.0, 1.6.0, 1.5.0 and 5 more need link-01@^1; ")))
		t.Logf("%d steps", ctx.steps)
	})
	t.Run("where an older one does", func(t *testing.T) {
		g := NewWithT(t)
		ctx := &counting{Context: context.Background()}
		catalog := shelves("builtin", append(lines, "kubernetes 1.0.0: link-00, link-12@^2", "link-05 0.1.0", "link-04 1.0.1: link-05@^0")...)
		got, err := resolve.New(nil, catalog).Resolve(ctx, wish("kubernetes"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(planned(got.Plan)).To(Equal(keys(
			"link-05@0.1.0 link-12@2.0.0 link-04@1.0.1 link-03@1.9.0 link-02@1.9.0 link-01@1.9.0 link-00@1.9.0 kubernetes@1.0.0")))
		g.Expect(ctx.steps).To(BeNumerically("<", 1_000))
	})
}

func TestFewEnoughPigeonsAreSeenNotToFit(t *testing.T) {
	g := NewWithT(t)
	got, err := answered(shelves("builtin", pigeons(5)...), wish("kubernetes"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyConflict))
	g.Expect(len(got.Dependencies)).To(BeNumerically(">", 20))
}

func TestAResolutionEndsWithItsContext(t *testing.T) {
	catalog := shelves("builtin", pigeons(12)...)
	t.Run("before it began", func(t *testing.T) {
		g := NewWithT(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := resolve.New(nil, catalog).Resolve(ctx, wish("kubernetes"))
		g.Expect(err).To(BeIdenticalTo(context.Canceled))
	})
	t.Run("while it tries", func(t *testing.T) {
		g := NewWithT(t)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		got, err := resolve.New(nil, catalog).Resolve(ctx, wish("kubernetes"))
		g.Expect(err).To(BeIdenticalTo(context.DeadlineExceeded))
		g.Expect(time.Since(start)).To(BeNumerically("<", 5*time.Second))
		g.Expect(got.Plan.Members).To(BeEmpty())
	})
	t.Run("while it asks", func(t *testing.T) {
		g := NewWithT(t)
		ctx, cancel := context.WithCancel(context.Background())
		req := wish("kubernetes")
		req.Consult = func(c extension.Consulted) {
			if c.Name == "p07" {
				cancel()
			}
		}
		_, err := resolve.New(nil, catalog).Resolve(ctx, req)
		g.Expect(err).To(BeIdenticalTo(context.Canceled))
	})
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestStatsTellGoodFromBroken(t *testing.T) {
	f := newFixture(t)
	f.g.Expect(f.Stats()).To(Equal(Stats{Available: true}))
	f.add("etcd", "3.5.0")
	f.add("etcd", "3.6.0")
	f.write("taskservs/etcd/newest/manifest.toml", manifest("etcd", "3.7.0"))
	f.write("taskservs/half/1.0.0/manifest.toml", manifest("half", "1.0.0"))
	f.write("taskservs/Odd_Name/manifest.toml", "")
	f.write("taskservs/liar/1.0.0/manifest.toml", manifest("other", "1.0.0"))
	f.write("taskservs/liar/1.0.0/mod.nu", module)
	f.rest()
	before := time.Now()
	f.start()
	s := f.Stats()
	f.g.Expect(s.Synced).To(BeTemporally(">=", before))
	f.g.Expect([]int{s.Versions, s.Broken}).To(Equal([]int{3, 3}), "what the manifest of liar says is not known yet")
	_, err := f.Discover(t.Context())
	f.g.Expect(err).NotTo(HaveOccurred())
	s = f.Stats()
	f.g.Expect([]int{s.Versions, s.Broken}).To(Equal([]int{2, 4}))
	f.g.Expect(os.RemoveAll(f.path("taskservs/half"))).To(Succeed())
	f.g.Eventually(func() int { return f.Stats().Broken }).Should(Equal(3))
}

func TestStatsCountWhatCannotBeRead(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.g.Expect(f.Stats().Errors).To(BeZero())
	f.g.Expect(os.Rename(f.dir, f.dir+".away")).To(Succeed())
	f.g.Eventually(f.Stats).Should(And(HaveField("Available", false), HaveField("Errors", BeNumerically(">=", 2))))
	f.g.Expect(os.Rename(f.dir+".away", f.dir)).To(Succeed())
	f.g.Eventually(f.Stats).Should(HaveField("Available", true))
	f.g.Expect(f.Stats().Errors).To(BeNumerically(">=", 2), "a counter never goes back")
}

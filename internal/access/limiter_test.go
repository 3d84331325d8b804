// SPDX-License-Identifier: Apache-2.0

package access

import (
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// moment is a clock that stands still until it is moved.
type moment struct{ at time.Time }

func newMoment() *moment { return &moment{time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)} }

func (m *moment) now() time.Time { return m.at }

func (m *moment) pass(d time.Duration) { m.at = m.at.Add(d) }

func TestAClientIsToldWhenToComeBack(t *testing.T) {
	g := NewWithT(t)
	clock := newMoment()
	l, err := newLimiter(Limits{PerSecond: 2, Burst: 5}, clock.now)
	g.Expect(err).NotTo(HaveOccurred())
	for range 5 {
		g.Expect(l.user("a")).To(Succeed())
	}
	for range 3 { // refused ones do not count
		err = l.user("a")
		g.Expect(err).To(MatchError("more than 2 requests a second; send the next in 1 s"))
		g.Expect(apierrors.IsTooManyRequests(err)).To(BeTrue())
		seconds, wait := apierrors.SuggestsClientDelay(err)
		g.Expect(wait).To(BeTrue())
		g.Expect(seconds).To(Equal(1))
	}
	g.Expect(l.user("b")).To(Succeed(), "another client")
	g.Expect(l.address("a")).To(Succeed(), "an address that is called like a user")
	clock.pass(time.Second)
	g.Expect(l.user("a")).To(Succeed())
	g.Expect(l.user("a")).To(Succeed())
	g.Expect(l.user("a")).NotTo(Succeed())
}

func TestAddressesAreClients(t *testing.T) {
	for name, c := range map[string]struct {
		one, other string
		same       bool
	}{
		"ports":                     {"10.0.0.1:1", "10.0.0.1:2", true},
		"hosts":                     {"10.0.0.1:1", "10.0.0.2:1", false},
		"a network of IPv6":         {"[2001:db8::1]:1", "[2001:db8::ffff]:2", true},
		"networks of IPv6":          {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		"zones":                     {"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true},
		"IPv4 written as IPv6":      {"10.0.0.1:1", "[::ffff:10.0.0.1]:1", true},
		"IPv4 hosts written so":     {"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:1", false},
		"what is no address at all": {"@", "@", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			l, err := newLimiter(Limits{PerSecond: 1, Burst: 1}, newMoment().now)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(l.address(c.one)).To(Succeed())
			g.Expect(l.address(c.other) != nil).To(Equal(c.same))
		})
	}
}

func TestZeroIsNoLimit(t *testing.T) {
	g := NewWithT(t)
	l, err := newLimiter(Limits{PerSecond: 0, Burst: 1}, newMoment().now)
	g.Expect(err).NotTo(HaveOccurred())
	for range 1000 {
		g.Expect(l.user("a")).To(Succeed())
	}
}

func TestSoManyClientsAreCounted(t *testing.T) {
	g := NewWithT(t)
	l, err := newLimiter(Limits{PerSecond: 1, Burst: 1}, newMoment().now)
	g.Expect(err).NotTo(HaveOccurred())
	for i := range 3 * clients {
		g.Expect(l.user(strconv.Itoa(i))).To(Succeed())
	}
	g.Expect(l.counts.Len()).To(Equal(clients))
	g.Expect(l.user(strconv.Itoa(3*clients - 1))).NotTo(Succeed())
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"net"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhoHasWhichAddress(t *testing.T) {
	g := NewWithT(t)
	n, err := newNetwork("10.9.0.0/16")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]string{n.Host().String(), n.Node().String(), n.APIService().String(), n.Pods().String(), n.Services().String(), n.cable().String()}).
		To(Equal([]string{"10.9.0.1", "10.9.0.2", "10.9.128.1", "10.9.64.0/24", "10.9.128.0/24", "10.9.0.0/30"}))
	g.Expect(apiServerURL(n)).To(Equal("https://10.9.0.2:6443"))
}

func TestOtherSubnetsAreRefused(t *testing.T) {
	for _, subnet := range []string{"", "10.9.0.0", "10.9.0.0/24", "10.9.1.0/16", "10.0.0.0/8", "fd00::/16", "10.9.0.0/16 "} {
		t.Run(subnet, func(t *testing.T) {
			_, err := newNetwork(subnet)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

// The loopback network is one that every machine has.
func TestTakenAddressesAreTold(t *testing.T) {
	g := NewWithT(t)
	routes := func(subnet string) error { return network{netip.MustParsePrefix(subnet)}.collision() }
	g.Expect(routes("203.0.0.0/16")).To(Succeed())
	own := anAddress(g)
	g.Expect(routes(netip.PrefixFrom(own, 16).Masked().String())).To(MatchError(ContainSubstring("choose another with --subnet")))
}

// anAddress is one of this machine's to which it has a route by more than the default one.
func anAddress(g Gomega) netip.Addr {
	addresses, err := net.InterfaceAddrs()
	g.Expect(err).NotTo(HaveOccurred())
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err == nil && prefix.Addr().Is4() && !prefix.Addr().IsLoopback() && prefix.Bits() < 32 {
			return prefix.Addr()
		}
	}
	g.Expect(addresses).To(BeEmpty(), "this machine has no address to test with")
	return netip.Addr{}
}

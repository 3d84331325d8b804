// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"net"
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

func TestTakenAddresses(t *testing.T) {
	n, err := newNetwork("10.9.0.0/16")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for route, want := range map[string]bool{
		"0.0.0.0/0": false, "192.0.2.0/24": false, "10.8.0.0/16": false,
		"10.0.0.0/8": true, "10.9.64.0/24": true, "10.9.0.0/16": true, "10.9.3.4/32": true,
	} {
		t.Run(route, func(t *testing.T) {
			g := NewWithT(t)
			_, addresses, err := net.ParseCIDR(route)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(n.overlaps(*addresses)).To(Equal(want))
		})
	}
}

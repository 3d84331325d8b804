// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
)

const (
	// defaultSubnet is one that hardly anybody uses.
	defaultSubnet = "10.213.0.0/16"
	// hostLink is this machine's end of the cable to the node, nodeLink the node's.
	hostLink, nodeLink = "eo-cluster", "eth0"
)

// network says who has which addresses of the cluster's subnet, of 16 bits.
type network struct{ netip.Prefix }

func newNetwork(subnet string) (network, error) {
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil {
		return network{}, err
	}
	if !prefix.Addr().Is4() || prefix.Bits() != 16 || prefix != prefix.Masked() {
		return network{}, fmt.Errorf("%s is not a subnet of the form a.b.0.0/16", subnet)
	}
	return network{prefix}, nil
}

// Host is this machine as the cluster sees it.
func (n network) Host() netip.Addr { return n.address(0, 1) }

// Node is the node, and the API server on it.
func (n network) Node() netip.Addr { return n.address(0, 2) }

// Pods are the addresses of pods.
func (n network) Pods() netip.Prefix { return netip.PrefixFrom(n.address(64, 0), 24) }

// Services are the addresses of Services.
func (n network) Services() netip.Prefix { return netip.PrefixFrom(n.address(128, 0), 24) }

// APIService is the address of the Service kubernetes: the first one.
func (n network) APIService() netip.Addr { return n.address(128, 1) }

// cable is what the two ends of the cable are in.
func (n network) cable() netip.Prefix { return netip.PrefixFrom(n.address(0, 0), 30) }

func (n network) address(third, fourth byte) netip.Addr {
	bytes := n.Addr().As4()
	bytes[2], bytes[3] = third, fourth
	return netip.AddrFrom4(bytes)
}

// collision says which of this machine's routes is to addresses of the subnet.
func (n network) collision() error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list this machine's routes: %w", err)
	}
	for _, route := range routes {
		if route.Dst != nil && n.overlaps(*route.Dst) {
			return fmt.Errorf("this machine has a route to %s already, so the cluster cannot be %s: choose another with bin/cluster up --subnet=a.b.0.0/16", route.Dst, n)
		}
	}
	return nil
}

// overlaps tells whether addresses are of the subnet. The default route is to all addresses, and to none of these in particular.
func (n network) overlaps(addresses net.IPNet) bool {
	first, ok := netip.AddrFromSlice(addresses.IP)
	bits, _ := addresses.Mask.Size()
	return ok && bits > 0 && n.Prefix.Overlaps(netip.PrefixFrom(first.Unmap(), bits))
}

// connect lays the cable from this machine to the network namespace of a process, and the route to the subnet over it. Both
// go with that namespace.
func (n network) connect(pid int) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = hostLink
	cable := &netlink.Veth{LinkAttrs: attributes, PeerName: nodeLink, PeerNamespace: netlink.NsPid(pid)}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("make the network link %s: %w", hostLink, err)
	}
	link, err := n.plug(hostLink, n.Host())
	if err != nil {
		return err
	}
	route := netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(n.Prefix), Gw: n.Node().AsSlice()}
	if err := netlink.RouteAdd(&route); err != nil {
		return fmt.Errorf("add the route to %s: %w", n.Prefix, err)
	}
	return nil
}

// configure is the node's side, inside its namespace. Without a default route nothing of the cluster reaches beyond this machine.
func (n network) configure() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	link, err := n.plug(nodeLink, n.Node())
	if err != nil {
		return err
	}
	// kube-proxy redirects what is sent to a Service, but only what has a route is sent at all.
	services := netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(n.Services()), Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(&services); err != nil {
		return fmt.Errorf("add the route to %s: %w", n.Services(), err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

func (n network) plug(name string, address netip.Addr) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, err
	}
	own := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(address, n.cable().Bits()))}
	if err := netlink.AddrAdd(link, own); err != nil {
		return nil, fmt.Errorf("give %s the address %s: %w", name, address, err)
	}
	return link, netlink.LinkSetUp(link)
}

// hasLink tells whether this machine's end of a cable is there.
func hasLink() (bool, error) {
	_, err := netlink.LinkByName(hostLink)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, nil
	}
	return err == nil, err
}

// removeLink removes this machine's end, and with it the other end and the routes.
func removeLink() error {
	link, err := netlink.LinkByName(hostLink)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return err
	}
	err = netlink.LinkDel(link)
	if there, _ := hasLink(); !there {
		return nil // it went with its namespace meanwhile
	}
	return err
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}

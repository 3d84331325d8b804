// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// addressOff is the address of what is not served.
const addressOff = "0"

// splitAddress gives the host and the port to listen on at [HOST]:PORT.
func splitAddress(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return host, port, err
}

// listens refuses what is no address to serve something at, and not off.
func listens(what string) check[string] {
	return func(name, address string) error {
		if address == addressOff {
			return nil
		}
		if _, _, err := splitAddress(address); err != nil {
			return fmt.Errorf("%s is %q; it must be [HOST]:PORT, or %s to serve no %s", name, address, addressOff, what)
		}
		return nil
	}
}

// loopback refuses an address that other machines could reach.
func loopback(name, address string) error {
	if address == addressOff {
		return nil
	}
	host, _, err := splitAddress(address)
	if err == nil && onLoopback(host) {
		return nil
	}
	return fmt.Errorf("%s is %q; only an address of this machine alone is possible, such as 127.0.0.1:6060, or %s for none", name, address, addressOff)
}

// onLoopback tells of a host that only this machine reaches.
func onLoopback(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }

// namespace refuses what no namespace can be called; empty is none.
func namespace(name, text string) error {
	if text == "" {
		return nil
	}
	if wrong := validation.IsDNS1123Label(text); len(wrong) > 0 {
		return fmt.Errorf("%s is %q, which is no namespace's name: %s", name, text, strings.Join(wrong, "; "))
	}
	return nil
}

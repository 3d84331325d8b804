// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
)

// addressOff is the address of what is not served.
const addressOff = "0"

// loopback refuses an address that other machines could reach.
func loopback(name, address string) error {
	if address == addressOff {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err == nil && onLoopback(host) {
		return nil
	}
	return fmt.Errorf("%s is %q; only an address of this machine alone is possible, such as 127.0.0.1:6060, or %s for none", name, address, addressOff)
}

// onLoopback tells of a host that only this machine reaches.
func onLoopback(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }

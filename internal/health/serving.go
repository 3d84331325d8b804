// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// servingWait bounds how long a server of this process may take to answer.
const servingWait = 500 * time.Millisecond

// Serving checks that a server of this process answers at an address, by TLS where it is
// secure.
func Serving(address string, secure bool) Check {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, servingWait)
		defer cancel()
		var dial interface {
			DialContext(ctx context.Context, network, address string) (net.Conn, error)
		} = &net.Dialer{}
		if secure {
			// Whose certificate it is does not matter to one who sends nothing.
			dial = &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec // G402: see above
		}
		connection, err := dial.DialContext(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("nobody answers at %s: %w", address, err)
		}
		return connection.Close()
	}
}

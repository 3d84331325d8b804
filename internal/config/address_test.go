// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

func TestProfilesAreForThisMachineAlone(t *testing.T) {
	for address, fine := range map[string]bool{
		"0": true, "127.0.0.1:6060": true, "127.8.9.1:0": true, "[::1]:6060": true, "localhost:6060": true,
		"": false, ":6060": false, "0.0.0.0:6060": false, "[::]:6060": false, "10.0.0.1:6060": false, "localhost": false, "127.0.0.1": false,
		"localhost.example.com:6060": false, "[::ffff:10.0.0.1]:6060": false, "off": false,
	} {
		t.Run(address, func(t *testing.T) {
			s := config.Default()
			s.PprofBindAddress = address
			g := NewWithT(t)
			if fine {
				g.Expect(s.Validate()).To(Succeed())
			} else {
				g.Expect(s.Validate()).To(MatchError(ContainSubstring("--pprof-bind-address")))
			}
		})
	}
}

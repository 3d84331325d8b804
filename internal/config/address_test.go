// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

func TestProfilesAreForThisMachineAlone(t *testing.T) {
	for address, fine := range map[string]bool{
		"0": true, "127.0.0.1:6060": true, "127.8.9.1:0": true, "[::1]:6060": true, "localhost:6060": true,
		"": false, ":6060": false, "0.0.0.0:6060": false, "[::]:6060": false, "10.0.0.1:6060": false, "localhost": false, "127.0.0.1": false,
		"localhost.example.com:6060": false, "[::ffff:10.0.0.1]:6060": false, "off": false,
		"127.0.0.1:abc": false, "127.0.0.1:65536": false, "127.0.0.1:": false,
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

// What config check takes is what a manager can listen on.
func TestAnAddressIsAHostAndAPort(t *testing.T) {
	for served, of := range map[string]func(*config.Settings) *string{
		"REST API": func(s *config.Settings) *string { return &s.APIBindAddress },
		"metrics":  func(s *config.Settings) *string { return &s.MetricsBindAddress },
		"probes":   func(s *config.Settings) *string { return &s.ProbeBindAddress },
	} {
		for _, address := range []string{"", "8443", "nonsense", ":", ":http", ":65536", ":-1", "::1:8090", "[::1]", "http://localhost:8090"} {
			s := config.Default()
			*of(&s) = address
			NewWithT(t).Expect(s.Validate()).To(MatchError(And(
				HavePrefix("--"), ContainSubstring("is %q; it must be [HOST]:PORT, or 0 to serve no %s", address, served))))
		}
		for _, address := range []string{"0", ":8443", "0.0.0.0:1", "[::]:65535", "localhost:0", "manager.example.com:8443"} {
			s := config.Default()
			*of(&s) = address
			NewWithT(t).Expect(s.Validate()).To(Succeed(), served+" at "+address)
		}
	}
}

func TestTheNamespaceOfTheLeaseIsOne(t *testing.T) {
	for name, fine := range map[string]bool{"": true, "extension-system": true, "No Good": false, "a/b": false, "a.b": false, strings.Repeat("a", 64): false} {
		s := config.Default()
		s.LeaderElectionNS = name
		if fine {
			NewWithT(t).Expect(s.Validate()).To(Succeed(), name)
		} else {
			NewWithT(t).Expect(s.Validate()).To(MatchError(ContainSubstring("--leader-election-namespace is %q, which is no namespace's name: ", name)))
		}
	}
}

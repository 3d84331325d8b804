// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

func TestOnlyLoopbackIsServedWithoutAuthentication(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8090", "127.1.2.3:1", "[::1]:8090", "localhost:8090", "127.0.0.1:0", "0"} {
		g := NewWithT(t)
		s := config.Default()
		s.APISecure, s.APIBindAddress = false, address
		g.Expect(s.Validate()).To(Succeed(), address)
	}
	for _, address := range []string{":8090", "0.0.0.0:8090", "[::]:8090", "10.0.0.1:8090", "example.com:8090", "localhost.example.com:8090"} {
		g := NewWithT(t)
		s := config.Default()
		s.APIBindAddress = address
		g.Expect(s.Validate()).To(Succeed(), address)
		s.APISecure = false
		g.Expect(s.Validate()).To(MatchError(And(
			ContainSubstring("--api-bind-address is \""+address+"\" and --api-secure is false: whoever reaches that address could do everything"),
			ContainSubstring("(--api-bind-address=127.0.0.1:8090)"))), address)
	}
}

func TestACertificateAndItsKeyNeedEachOther(t *testing.T) {
	for message, spoil := range map[string]func(*config.Settings){
		`--api-tls-cert-file is "/c", and --api-tls-key-file is empty`: func(s *config.Settings) { s.APICertFile = "/c" },
		`--api-tls-key-file is "/k", and --api-tls-cert-file is empty`: func(s *config.Settings) { s.APIKeyFile = "/k" },
	} {
		s := config.Default()
		spoil(&s)
		NewWithT(t).Expect(s.Validate()).To(MatchError(message + "; give both, or neither for a self-signed certificate"))
	}
}

func TestTheLimitsOfTheAPIAreChecked(t *testing.T) {
	for message, spoil := range map[string]func(*config.Settings){
		"--api-max-connections is 0; at least 1 is needed":      func(s *config.Settings) { s.APIMaxConnections = 0 },
		"--api-requests-per-second is -1; at least 0 is needed": func(s *config.Settings) { s.APIRequestsPerSecond = -1 },
		"--api-burst is 0; at least 1 is needed":                func(s *config.Settings) { s.APIBurst = 0 },
		"--api-tls-cert-file is of no use with --api-secure=false; leave one of them out": func(s *config.Settings) {
			s.APISecure, s.APIBindAddress, s.APICertFile, s.APIKeyFile = false, "127.0.0.1:8090", "/c", "/k"
		},
	} {
		s := config.Default()
		spoil(&s)
		NewWithT(t).Expect(s.Validate()).To(MatchError(message))
	}
}

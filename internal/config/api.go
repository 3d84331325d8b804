// SPDX-License-Identifier: Apache-2.0

package config

import "fmt"

func (t *table) api(s *Settings) {
	t.in("api", "REST API")
	t.text("bind_address", "api-bind-address", &s.APIBindAddress, ":8090", "address for the REST API; 0 turns it off", listens("REST API"), s.apiAddress)
	t.boolean("secure", "api-secure", &s.APISecure,
		"serve the REST API over HTTPS to callers that the API server knows by a bearer token; false is for an address of loopback alone")
	t.text("tls_cert_file", "api-tls-cert-file", &s.APICertFile, "",
		"certificate of the REST API and its chain, in PEM, read again when it changes; by default a self-signed one is made at each start", s.apiCertificate)
	t.text("tls_key_file", "api-tls-key-file", &s.APIKeyFile, "", "the key of that certificate, in PEM", s.apiKey)
	t.text("audience", "api-audience", &s.APIAudience, "",
		"audience that a token must have been issued for; by default that of the API server")
	t.number("max_connections", "api-max-connections", &s.APIMaxConnections, 1000,
		"how many connections the REST API holds; beyond them, the one that has been idle for longest is closed", atLeast(1))
	t.number("requests_per_second", "api-requests-per-second", &s.APIRequestsPerSecond, 50,
		"how many requests one client may send, by its user name or, as long as that is not known, by its address; 0 is any number", atLeast(0))
	t.number("burst", "api-burst", &s.APIBurst, 100, "how many of them may come at once", atLeast(1))
}

// apiAddress refuses one that other machines reach where the API lets in whoever does.
func (s *Settings) apiAddress(name, address string) error {
	host, port, err := splitAddress(address)
	if err == nil && !s.APISecure && !onLoopback(host) {
		return fmt.Errorf("%s is %q and --api-secure is false: whoever reaches that address could do everything; "+
			"listen on loopback (--api-bind-address=127.0.0.1:%s) or leave --api-secure at true", name, address, port)
	}
	return nil
}

func (s *Settings) apiCertificate(name, file string) error {
	if file != "" && s.APIKeyFile == "" {
		return fmt.Errorf("%s is %q, and --api-tls-key-file is empty; give both, or neither for a self-signed certificate", name, file)
	}
	if file != "" && !s.APISecure {
		return fmt.Errorf("%s is of no use with --api-secure=false; leave one of them out", name)
	}
	return nil
}

func (s *Settings) apiKey(name, file string) error {
	if file != "" && s.APICertFile == "" {
		return fmt.Errorf("%s is %q, and --api-tls-cert-file is empty; give both, or neither for a self-signed certificate", name, file)
	}
	return nil
}

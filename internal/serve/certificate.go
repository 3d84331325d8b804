// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// certificate is what the server shows: that of two files, as they are now, or one of its own.
type certificate struct {
	files *certwatcher.CertWatcher // nil for one of its own
	own   *tls.Certificate
}

// newCertificate reads the files, or makes a certificate where none are named.
func newCertificate(certFile, keyFile string, log logr.Logger) (*certificate, error) {
	if certFile == "" {
		return selfSigned(log)
	}
	files, err := certwatcher.New(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key %s: %w", certFile, keyFile, err)
	}
	return &certificate{files: files}, nil
}

// selfSigned makes a certificate that nobody vouches for: what is sent is encrypted, but a client must compare the
// fingerprint to know who it talks to.
func selfSigned(log logr.Logger) (*certificate, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("make a self-signed certificate: %w", err)
	}
	certPEM, keyPEM, err := cert.GenerateSelfSignedCertKey(host, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, []string{"localhost"})
	if err != nil {
		return nil, fmt.Errorf("make a self-signed certificate: %w", err)
	}
	own, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("make a self-signed certificate: %w", err)
	}
	log.Info("The REST API has a self-signed certificate, another one at each start: clients cannot know whom they talk to unless they "+
		"compare its fingerprint; give it a certificate of your own by --api-tls-cert-file and --api-tls-key-file",
		"sha256", fmt.Sprintf("%x", sha256.Sum256(own.Certificate[0])), "notAfter", own.Leaf.NotAfter)
	return &certificate{own: &own}, nil
}

// config is without HTTP/2: many requests on one connection, which can be given up as fast as they are made (rapid
// reset), would pass by what is counted here, and the API gains nothing from them.
func (c *certificate) config() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if c.files != nil {
		config.GetCertificate = c.files.GetCertificate
	} else {
		config.Certificates = []tls.Certificate{*c.own}
	}
	return config
}

// watch reads the files again when they change, until ctx ends. A pair that does not fit is logged, and the last good
// one stays.
func (c *certificate) watch(ctx context.Context) error {
	if c.files == nil {
		return nil
	}
	if err := c.files.Start(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watch the certificate of the REST API: %w", err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity is how long certificates are valid: longer than any cluster made for tests is used.
const validity = 365 * 24 * time.Hour

// authority signs the certificates of the cluster.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// pair is a certificate and its key, both as PEM.
type pair struct{ certificate, key []byte }

func newAuthority() (authority, pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, pair{}, err
	}
	request, err := newRequest(pkix.Name{CommonName: "extension-operator-cluster"})
	if err != nil {
		return authority{}, pair{}, err
	}
	request.IsCA, request.BasicConstraintsValid = true, true
	request.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	der, err := x509.CreateCertificate(rand.Reader, request, request, key.Public(), key)
	if err != nil {
		return authority{}, pair{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, pair{}, err
	}
	files, err := newPair(der, key)
	return authority{certificate, key}, files, err
}

// client returns a certificate with which a client is the user, member of the groups.
func (a authority) client(user string, groups ...string) (pair, error) {
	request, err := newRequest(pkix.Name{CommonName: user, Organization: groups})
	if err != nil {
		return pair{}, err
	}
	request.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(request)
}

// server returns a certificate for a server of these names and addresses.
func (a authority) server(name string, names []string, addresses []net.IP) (pair, error) {
	request, err := newRequest(pkix.Name{CommonName: name})
	if err != nil {
		return pair{}, err
	}
	request.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	request.DNSNames, request.IPAddresses = names, addresses
	return a.issue(request)
}

func (a authority) issue(request *x509.Certificate) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	request.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, request, a.certificate, key.Public(), a.key)
	if err != nil {
		return pair{}, err
	}
	return newPair(der, key)
}

func newRequest(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{Subject: subject, SerialNumber: serial, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(validity)}, nil
}

func newPair(der []byte, key *ecdsa.PrivateKey) (pair, error) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	return pair{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}

// write writes <name>.crt and <name>.key.
func (p pair) write(dir, name string) error {
	if err := os.WriteFile(filepath.Join(dir, name+".crt"), p.certificate, 0o644); err != nil {
		return fmt.Errorf("write a certificate: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".key"), p.key, 0o600); err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/util/cert"
	ctrl "sigs.k8s.io/controller-runtime"
)

// pair writes a certificate for a name, and its key.
func pair(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	g := NewWithT(t)
	c, k, err := cert.GenerateSelfSignedCertKey(name, nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(certFile, c, 0o600)).To(Succeed())
	g.Expect(os.WriteFile(keyFile, k, 0o600)).To(Succeed())
}

// shown is the name in the certificate that the server shows.
func shown(t *testing.T, s *Server) string {
	c := dial(t, s).(*tls.Conn)
	defer c.Close()
	if err := c.Handshake(); err != nil {
		return err.Error()
	}
	return c.ConnectionState().PeerCertificates[0].DNSNames[0]
}

func TestACertificateOfFilesIsReadAgainWhenItChanges(t *testing.T) {
	g := NewWithT(t)
	log := &told{}
	ctrl.SetLogger(log.logger()) // the library that reads it has no other
	dir := t.TempDir()
	o := plain(hello)
	o.Insecure, o.CertFile, o.KeyFile = false, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	pair(t, "one.example.com", o.CertFile, o.KeyFile)
	s, _ := run(t, o, usualTimes)
	g.Expect(shown(t, s)).To(Equal("one.example.com"))

	pair(t, "two.example.com", o.CertFile, o.KeyFile)
	g.Eventually(func() string { return shown(t, s) }, 15*time.Second).Should(Equal("two.example.com"))

	// Half of a pair, and then none: the last good one stays, and that is said.
	pair(t, "three.example.com", o.CertFile, filepath.Join(dir, "other"))
	g.Eventually(log.all, 15*time.Second).Should(ContainSubstring("private key does not match public key"))
	g.Expect(shown(t, s)).To(Equal("two.example.com"))
	g.Expect(os.WriteFile(o.CertFile, []byte("hello"), 0o600)).To(Succeed())
	g.Eventually(log.all, 15*time.Second).Should(ContainSubstring("failed to find any PEM data"))
	g.Expect(shown(t, s)).To(Equal("two.example.com"))
	g.Expect(log.all()).To(ContainSubstring(o.CertFile))

	pair(t, "four.example.com", o.CertFile, o.KeyFile)
	g.Eventually(func() string { return shown(t, s) }, 15*time.Second).Should(Equal("four.example.com"))
}

// A Secret's files are links into a folder that is replaced.
func TestACertificateOfASecretIsReadAgain(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	o := plain(hello)
	o.Insecure, o.CertFile, o.KeyFile = false, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	publish := func(folder, name string) {
		g.Expect(os.Mkdir(filepath.Join(dir, folder), 0o700)).To(Succeed())
		pair(t, name, filepath.Join(dir, folder, "tls.crt"), filepath.Join(dir, folder, "tls.key"))
		g.Expect(os.Symlink(folder, filepath.Join(dir, "..data_tmp"))).To(Succeed())
		g.Expect(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))).To(Succeed())
	}
	publish("..1", "one.example.com")
	g.Expect(os.Symlink("..data/tls.crt", o.CertFile)).To(Succeed())
	g.Expect(os.Symlink("..data/tls.key", o.KeyFile)).To(Succeed())
	s, _ := run(t, o, usualTimes)
	g.Expect(shown(t, s)).To(Equal("one.example.com"))
	publish("..2", "two.example.com")
	g.Expect(os.RemoveAll(filepath.Join(dir, "..1"))).To(Succeed())
	g.Eventually(func() string { return shown(t, s) }, 20*time.Second).Should(Equal("two.example.com"))
}

func TestABadPairStopsTheStartAndIsNamed(t *testing.T) {
	dir := t.TempDir()
	good, key, other, bad := filepath.Join(dir, "good"), filepath.Join(dir, "key"), filepath.Join(dir, "other"), filepath.Join(dir, "bad")
	pair(t, "one.example.com", good, key)
	pair(t, "two.example.com", filepath.Join(dir, "x"), other)
	NewWithT(t).Expect(os.WriteFile(bad, []byte("hello"), 0o600)).To(Succeed())
	for name, c := range map[string]struct{ cert, key, say string }{
		"no certificate":   {filepath.Join(dir, "none"), key, "no such file"},
		"no key":           {good, filepath.Join(dir, "none"), "no such file"},
		"another's key":    {good, other, "private key does not match public key"},
		"not a key":        {good, bad, "failed to find any PEM data in key"},
		"not a pair":       {bad, key, "failed to find any PEM data in certificate"},
		"one for other":    {key, good, "PEM inputs may have been switched"},
		"a folder for one": {dir, key, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			o := plain(hello)
			o.Insecure, o.CertFile, o.KeyFile = false, c.cert, c.key
			_, err := Listen(t.Context(), o)
			NewWithT(t).Expect(err).To(MatchError(And(
				HavePrefix("read the certificate "+c.cert+" and its key "+c.key+": "), ContainSubstring(c.say))))
		})
	}
}

func TestASelfSignedCertificateIsSaidWithItsFingerprint(t *testing.T) {
	g := NewWithT(t)
	log := &told{}
	o := plain(hello)
	o.Insecure, o.Log = false, log.logger()
	s, _ := run(t, o, usualTimes)
	c := dial(t, s).(*tls.Conn)
	g.Expect(c.Handshake()).To(Succeed())
	leaf := c.ConnectionState().PeerCertificates[0]
	g.Expect(leaf.VerifyHostname("localhost")).To(Succeed())
	g.Expect(leaf.VerifyHostname("127.0.0.1")).To(Succeed())
	g.Expect(log.all()).To(And(ContainSubstring("self-signed"), ContainSubstring("--api-tls-cert-file"),
		ContainSubstring(fmt.Sprintf("%x", sha256.Sum256(leaf.Raw)))))
	g.Expect(c.ConnectionState().Version).To(BeEquivalentTo(tls.VersionTLS13), "where the client can")
}

func TestOldTLSAndHTTP2AreNotOffered(t *testing.T) {
	g := NewWithT(t)
	o := plain(hello)
	o.Insecure = false
	s, _ := run(t, o, usualTimes)
	for version, fails := range map[uint16]bool{tls.VersionTLS10: true, tls.VersionTLS11: true, tls.VersionTLS12: false, tls.VersionTLS13: false} {
		c, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		g.Expect(err != nil).To(Equal(fails), tls.VersionName(version))
		if err == nil {
			c.Close()
		}
	}
	r, err := client(t).Get(url(s))
	g.Expect(err).NotTo(HaveOccurred())
	r.Body.Close()
	g.Expect(r.StatusCode).To(Equal(http.StatusOK))
	g.Expect(r.ProtoMajor).To(Equal(1))
}

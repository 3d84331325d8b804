// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/keyutil"
)

func TestATokenIsWhoItBelongsTo(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	guard := newGuard(t, w.manager)
	ctx := guard.as(t, w.token(t, robot))
	g.Expect(guard.Caller(ctx)).To(Equal(userName(robot)))
	g.Expect(guard.Caller(t.Context())).To(BeEmpty())
}

// refused expects 401 for a token, and that nothing of it is said.
func (g *guard) refused(t *testing.T, token, say string) {
	t.Helper()
	expect := NewWithT(t)
	_, err := g.Authenticate(request(token).WithContext(t.Context()))
	expect.Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "%v", err)
	expect.Expect(err).To(MatchError(ContainSubstring(say)))
	for _, part := range strings.Split(token, ".") {
		expect.Expect(err.Error()).NotTo(ContainSubstring(part))
		for _, line := range g.log.all() {
			expect.Expect(line).NotTo(ContainSubstring(part))
		}
	}
}

func TestTokensThatAreNotGood(t *testing.T) {
	w := newWorld(t)
	robot := w.account(t)
	good := w.token(t, robot)
	guard := newGuard(t, w.manager)
	for name, token := range map[string]string{
		"nonsense":           "nonsense-nonsense",
		"an altered one":     good[:len(good)-8] + "AAAAAAAA",
		"for another reader": w.token(t, robot, "https://vault.example.com"),
		"an expired one":     w.expired(t, good),
	} {
		t.Run(name, func(t *testing.T) {
			guard.refused(t, token, "the token was not accepted: it is expired, revoked, malformed or not for the audience of the API server, or the API server could not check it; get a new one")
			calls := guard.calls.Load()
			guard.refused(t, token, "the token was not accepted")
			NewWithT(t).Expect(guard.calls.Load()).To(Equal(calls), "it is remembered for a while")
		})
	}
	t.Run("none", func(t *testing.T) {
		g := NewWithT(t)
		_, err := guard.Authenticate(from(http.MethodGet, "x", nil))
		g.Expect(apierrors.IsUnauthorized(err)).To(BeTrue())
		g.Expect(err).To(MatchError(ContainSubstring("send the header Authorization: Bearer TOKEN")))
	})
	t.Run("in another place", func(t *testing.T) {
		g := NewWithT(t)
		r := from(http.MethodGet, "x", map[string]string{
			"Cookie": "token=" + good, "X-Remote-User": "admin", "Impersonate-User": "admin",
			"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(good)),
		})
		r.URL.RawQuery = "access_token=" + good
		_, err := guard.Authenticate(r)
		g.Expect(apierrors.IsUnauthorized(err)).To(BeTrue())
	})
}

// expired signs a token's claims anew, as of two hours ago, with the key of the cluster.
func (w *world) expired(t *testing.T, good string) string {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(w.Dir, "certificates-*", "sa-signer.key"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(HaveLen(1))
	text, err := os.ReadFile(files[0])
	g.Expect(err).NotTo(HaveOccurred())
	parsed, err := keyutil.ParsePrivateKeyPEM(text)
	g.Expect(err).NotTo(HaveOccurred())
	private, ok := parsed.(*ecdsa.PrivateKey)
	g.Expect(ok).To(BeTrue())
	resign := func(age time.Duration) string {
		parts := strings.Split(good, ".")
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		g.Expect(err).NotTo(HaveOccurred())
		claims := map[string]any{}
		g.Expect(json.Unmarshal(text, &claims)).To(Succeed())
		then := time.Now().Add(-age).Unix()
		claims["iat"], claims["nbf"], claims["exp"] = then, then, then+3600
		text, err = json.Marshal(claims)
		g.Expect(err).NotTo(HaveOccurred())
		signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(text)
		sum := sha256.Sum256([]byte(signed))
		one, two, err := ecdsa.Sign(rand.Reader, private, sum[:])
		g.Expect(err).NotTo(HaveOccurred())
		signature := make([]byte, 64) // ES256
		one.FillBytes(signature[:32])
		two.FillBytes(signature[32:])
		return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	newGuard(t, w.manager).as(t, resign(0)) // the age alone is what is not good
	return resign(2 * time.Hour)
}

func TestAnAudienceOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	guard := newGuard(t, w.manager, func(o *Options) { o.Audience = "extension-operator" })
	ctx := guard.as(t, w.token(t, robot, "extension-operator", "other"))
	g.Expect(guard.Caller(ctx)).To(Equal(userName(robot)))
	guard.refused(t, w.token(t, robot), "or not for the audience extension-operator")
	guard.refused(t, w.token(t, robot, "extension"), "or not for the audience extension-operator")
}

func TestARevokedTokenIsKnownForAMinuteAtMost(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	token := w.token(t, robot)
	guard := newGuard(t, w.manager)
	guard.as(t, token)
	g.Expect(w.admin.CoreV1().ServiceAccounts(robot.Namespace).Delete(t.Context(), robot.Name, metav1.DeleteOptions{})).To(Succeed())
	guard.clock.pass(yesTime)
	guard.as(t, token)
	g.Expect(guard.calls.Load()).To(BeEquivalentTo(1))
	// The API server remembers a token for some seconds itself.
	g.Eventually(func() bool {
		guard.clock.pass(yesTime + time.Millisecond)
		_, err := guard.Authenticate(request(token).WithContext(t.Context()))
		return apierrors.IsUnauthorized(err)
	}, 2*soon, time.Second).Should(BeTrue())
}

func TestRequestsOfAUserAreCountedWhereverTheyComeFrom(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	token := w.token(t, robot)
	guard := newGuard(t, w.manager, func(o *Options) { o.Limits = Limits{PerSecond: 1, Burst: 3} })
	for _, address := range []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"} {
		r := request(token).WithContext(t.Context())
		r.RemoteAddr = address
		_, err := guard.Authenticate(r)
		g.Expect(apierrors.IsTooManyRequests(err)).To(Equal(address == "10.0.0.4:1"), "%s: %v", address, err)
	}
	guard.as(t, w.token(t, w.account(t)))
}

func TestAUserHasSoManyRequestsUnderWay(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	guard := newGuard(t, w.manager, func(o *Options) { o.Limits = Limits{UnderWay: 2} })
	send := func(token, address string) (func(), error) {
		ctx, end := context.WithCancel(t.Context())
		t.Cleanup(end)
		r := request(token).WithContext(ctx)
		r.RemoteAddr = address
		_, err := guard.Authenticate(r)
		return end, err
	}
	// By the name: neither another address nor another token makes it another client.
	endFirst, err := send(w.token(t, robot), "10.0.0.1:1")
	g.Expect(err).NotTo(HaveOccurred())
	endSecond, err := send(w.token(t, robot), "10.0.0.2:1")
	g.Expect(err).NotTo(HaveOccurred())
	token := w.token(t, robot)
	for range 3 { // refused ones do not count
		_, err = send(token, "10.0.0.3:1")
		g.Expect(apierrors.IsTooManyRequests(err)).To(BeTrue(), "%v", err)
		g.Expect(err).To(MatchError("2 requests of this user are under way, which is the most; send the next when one of them was answered"))
		seconds, wait := apierrors.SuggestsClientDelay(err)
		g.Expect(wait).To(BeTrue())
		g.Expect(seconds).To(Equal(1))
	}
	endOther, err := send(w.token(t, w.account(t)), "10.0.0.1:1")
	g.Expect(err).NotTo(HaveOccurred())
	endFirst()
	var endThird func()
	g.Eventually(func() error { endThird, err = send(token, "10.0.0.3:1"); return err }).Should(Succeed())
	_, err = send(token, "10.0.0.3:1")
	g.Expect(apierrors.IsTooManyRequests(err)).To(BeTrue(), "one has ended, not two")
	endSecond()
	endThird()
	endOther()
	g.Eventually(func() int {
		guard.limits.mu.Lock()
		defer guard.limits.mu.Unlock()
		return len(guard.limits.underWay)
	}).Should(BeZero())
}

func TestGuessingCostsTheAPIServerLittle(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	token := w.token(t, w.account(t))
	guard := newGuard(t, w.manager, func(o *Options) { o.Limits = Limits{PerSecond: 1, Burst: 5} })
	guard.as(t, token)
	refused, limited := 0, 0
	for i := range 200 {
		_, err := guard.Authenticate(request("guess" + strings.Repeat("x", i)).WithContext(t.Context()))
		switch {
		case apierrors.IsUnauthorized(err):
			refused++
		case apierrors.IsTooManyRequests(err):
			limited++
		}
	}
	g.Expect([]int{refused, limited}).To(Equal([]int{4, 196}), "the first one of this address was the good token's")
	g.Expect(guard.calls.Load()).To(BeEquivalentTo(5))
	guard.as(t, token) // who is known is not held up by who guesses at the same address
}

func TestManyRequestsAtOnceAskOnce(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	token := w.token(t, w.account(t))
	guard := newGuard(t, w.manager)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			ctx, err := guard.Authenticate(request(token).WithContext(t.Context()))
			g.Expect(err).NotTo(HaveOccurred())
			_, err = guard.Namespaces(ctx, "list", []string{"a", "b"})
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
	all.Wait()
	g.Expect(guard.calls.Load()).To(BeEquivalentTo(4), "the token, everywhere, a and b")
}

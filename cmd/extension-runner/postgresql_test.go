// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"provisioning.dev/extension-operator/internal/step"
)

func (n tenant) secret() *corev1.Secret {
	n.t.Helper()
	secret, err := n.admin.CoreV1().Secrets(n.namespace).Get(n.t.Context(), "postgresql-password", metav1.GetOptions{})
	NewWithT(n.t).Expect(err).NotTo(HaveOccurred())
	return secret
}

// The password is made once, by chance, and nobody sees it: not a log, not a report, and not the hooks after that.
func TestThePasswordOfPostgreSQL(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := shippedExtensions["postgresql-16"]
	passwords := map[string]bool{}
	for range 2 {
		n := newTenant(t)
		p := s.installer(n, s.values)
		var looks, wrote atomic.Int32
		n.newFront(p, func(_ http.ResponseWriter, r *http.Request) bool {
			accept := r.Header.Get("Accept")
			switch {
			case !strings.Contains(r.URL.Path, "/secrets"):
			case r.Method != http.MethodGet:
				wrote.Add(1)
			case strings.Contains(accept, "as=PartialObjectMetadata") && !strings.Contains(accept, ","):
				looks.Add(1)
			default:
				t.Errorf("a hook asks for the Secret itself: %s", accept)
			}
			return false
		})
		var seen strings.Builder
		for _, one := range []step.Step{step.Install, step.Install, step.Verify, step.Uninstall, step.Install} {
			seen.WriteString(p.run(one).everything())
		}
		g.Expect(looks.Load()).To(BeNumerically(">", 3))
		g.Expect(wrote.Load()).To(BeEquivalentTo(1))

		secret := n.secret()
		g.Expect(secret.Type).To(Equal(corev1.SecretTypeBasicAuth))
		password := string(secret.Data["password"])
		g.Expect(password).To(MatchRegexp(`^[A-Za-z0-9]{32}$`))
		g.Expect(string(secret.Data["username"])).To(Equal("postgres"))
		passwords[password] = true
		for _, text := range []string{password, base64.StdEncoding.EncodeToString([]byte(password))} {
			g.Expect(seen.String()).NotTo(ContainSubstring(text))
			g.Expect(p.config()).NotTo(ContainSubstring(text))
		}
		g.Expect(seen.String()).To(And(ContainSubstring("Secret postgresql-password is made"), ContainSubstring("Secret postgresql-password is kept")))
	}
	g.Expect(passwords).To(HaveLen(2), "each Installation has its own")
}

// Two containers of one step at once: the one that comes later writes over nothing.
func TestThePasswordIsMadeOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := shippedExtensions["postgresql-16"]
	n := newTenant(t)
	first := s.installer(n, s.values)
	second := s.pod(n, s.values)
	var made atomic.Pointer[corev1.Secret]
	n.newFront(second, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/secrets") {
			if e := first.run(step.Install); e.State != step.Succeeded {
				t.Error(e.everything())
			}
			secret, err := n.admin.CoreV1().Secrets(n.namespace).Get(t.Context(), "postgresql-password", metav1.GetOptions{})
			if err != nil {
				t.Error(err)
			}
			made.Store(secret)
		}
		return false
	})
	e := second.run(step.Install)
	g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
	g.Expect(e.Message).To(ContainSubstring("Secret postgresql-password is kept"))
	g.Expect(n.secret()).To(Equal(made.Load()))
}

// A Secret that somebody else makes between the look and the making is not taken for the password.
func TestThePasswordOfAnotherIsNotTaken(t *testing.T) {
	t.Parallel()
	s := shippedExtensions["postgresql-16"]
	n := newTenant(t)
	p := s.installer(n, s.values)
	n.newFront(p, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/secrets") {
			theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "postgresql-password", Labels: map[string]string{owner: otherUID}}}
			if _, err := n.admin.CoreV1().Secrets(n.namespace).Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	expectFailure(t, p.run(step.Install), "kube::Foreign", "Secret postgresql-password is there already and is of the Installation with uid "+otherUID)
	NewWithT(t).Expect(s.there(n)).To(HaveLen(1), "nothing was made beside it")
}

// Data without its password is not given another one, which would not be that of the database.
func TestDataWhosePasswordIsGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := shippedExtensions["postgresql-16"]
	n := newTenant(t)
	p := s.installer(n, s.values)
	n.secretVersion(p)
	g.Expect(n.admin.CoreV1().Secrets(n.namespace).Delete(t.Context(), "postgresql-password", metav1.DeleteOptions{})).To(Succeed())
	for range 2 {
		expectFailure(t, p.run(step.Install), "postgresql::PasswordGone",
			"PersistentVolumeClaim postgresql-data has data, and Secret postgresql-password with its password is gone; name a Secret with the password in password_secret")
	}
	g.Expect(s.there(n)).NotTo(HaveKey("Secret"))
	given := s.pod(n, "{password_secret: app-password, patience_s: 1}")
	g.Expect(given.run(step.Install).State).To(Equal(step.Succeeded))
}

// secretVersion installs and says which version of the Secret that made.
func (n tenant) secretVersion(p *pod) string {
	n.t.Helper()
	if e := p.run(step.Install); e.State != step.Succeeded {
		n.t.Fatal(e.everything())
	}
	return n.secret().ResourceVersion
}

// A new Installation of the name of one that is gone is not given its data without a word, and is told how it gets it.
func TestDataThatAnotherLeft(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := shippedExtensions["postgresql-16"]
	n := newTenant(t)
	old := s.installer(n, s.values)
	password := n.secretVersion(old)
	g.Expect(old.run(step.Uninstall).State).To(Equal(step.Succeeded))

	p := s.pod(n, s.values)
	p.order.UID = otherUID
	for range 2 {
		e := p.run(step.Install)
		expectFailure(t, e, "postgresql::ForeignData", "PersistentVolumeClaim postgresql-data is there already and is of the Installation with uid "+old.order.UID,
			"kubectl label --overwrite -n "+n.namespace+" pvc/postgresql-data secret/postgresql-password "+owner+"="+otherUID, "to begin without, delete both")
	}
	p.order.HideOutput = true
	g.Expect(p.run(step.Install).Code).To(Equal("postgresql::ForeignData"))
	p.order.HideOutput = false
	g.Expect(s.there(n)).To(HaveLen(2), "nothing was made beside what was left")

	// The claim alone was handed over, and the Secret of another is not taken either.
	n.relabel("PersistentVolumeClaim", otherUID)
	expectFailure(t, p.run(step.Install), "postgresql::ForeignData", "Secret postgresql-password is there already")
	n.relabel("PersistentVolumeClaim", old.order.UID)

	// What it says to do is enough.
	told := regexp.MustCompile(`kubectl (label [^;]+);`).FindStringSubmatch(p.run(step.Install).Message)
	g.Expect(told).To(HaveLen(2))
	n.kubectl(strings.Fields(told[1])...)
	kept := n.secret()
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
	g.Expect(n.secret().ResourceVersion).To(Equal(kept.ResourceVersion))
	g.Expect(kept.ResourceVersion).NotTo(Equal(password), "only its label was changed, by hand")
}

func (n tenant) relabel(kind, uid string) {
	n.t.Helper()
	name := postgresqlObjects[kind]
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, owner, uid)
	_, err := n.of(kind).Patch(n.t.Context(), name, "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
	NewWithT(n.t).Expect(err).NotTo(HaveOccurred())
}

// What deletionPolicy Orphan left is taken over whole, once it is labelled so: nothing of it cannot be changed.
func TestAnOrphanIsTakenOver(t *testing.T) {
	eachShipped(t, func(t *testing.T, s shipped) {
		g := NewWithT(t)
		n := newTenant(t)
		old := s.installer(n, s.values)
		g.Expect(old.run(step.Install).State).To(Equal(step.Succeeded))
		before := s.there(n)
		for kind, name := range s.objects {
			patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, owner, otherUID)
			_, err := n.of(kind).Patch(t.Context(), name, "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
			g.Expect(err).NotTo(HaveOccurred())
		}
		p := s.pod(n, s.values)
		p.order.UID = otherUID
		e := p.run(step.Install)
		g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
		after := s.there(n)
		for kind, object := range after {
			g.Expect(object.GetUID()).To(Equal(before[kind].GetUID()), kind)
		}
		selector, _, err := unstructured.NestedStringMap(after["Service"].Object, "spec", "selector")
		g.Expect(err).NotTo(HaveOccurred())
		labels, _, err := unstructured.NestedStringMap(after[s.workload].Object, "spec", "template", "metadata", "labels")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(selector).To(HaveKeyWithValue(owner, otherUID))
		for label, value := range selector {
			g.Expect(labels).To(HaveKeyWithValue(label, value))
		}
	})
}

// With a Secret of the user's no password is made, and the account needs no right to Secrets.
func TestAPasswordThatIsGiven(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := shippedExtensions["postgresql-17"]
	n := newTenant(t)
	s.installer(n, s.values)
	roles := n.admin.RbacV1().Roles(n.namespace)
	role, err := roles.Get(t.Context(), s.account, metav1.GetOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	role.Rules = role.Rules[:3]
	_, err = roles.Update(t.Context(), role, metav1.UpdateOptions{})
	g.Expect(err).NotTo(HaveOccurred())

	p := s.pod(n, `{patience_s: 1, password_secret: app-password, listen_addresses: ["*"], access: [{type: host, address: all}], storage: 2Gi}`)
	expectSuccess(t, p.run(step.Install), "ConfigMap, PersistentVolumeClaim, Service and StatefulSet postgresql are applied, the password is that of password_secret")
	s.rollOut(n)
	expectSuccess(t, p.run(step.Verify), "1 of 1 replicas of StatefulSet postgresql are available, at postgresql."+n.namespace+":5432")
	set, err := n.admin.AppsV1().StatefulSets(n.namespace).Get(t.Context(), "postgresql", metav1.GetOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	mounted := map[string]string{}
	for _, volume := range set.Spec.Template.Spec.Volumes {
		switch {
		case volume.Secret != nil:
			mounted[volume.Name] = volume.Secret.SecretName
		case volume.PersistentVolumeClaim != nil:
			mounted[volume.Name] = volume.PersistentVolumeClaim.ClaimName
		}
	}
	g.Expect(mounted).To(Equal(map[string]string{"password": "app-password", "data": "postgresql-data"}))
	g.Expect(s.there(n)).NotTo(HaveKey("Secret"))
	g.Expect(p.run(step.Uninstall).State).To(Equal(step.Succeeded))
}

// What could not work is told by install, before anything is made.
func TestWhatNoPodCanDo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := newTenant(t)
	s := shippedExtensions["postgresql-16"]
	p := s.installer(n, "{tls_cert: /etc/tls.crt, tls_key: /etc/tls.key}")
	expectFailure(t, p.run(step.Install), "postgresql::NoFiles", "tls_cert is set without tls_secret", "name the Secret that has it in tls_secret")
	g.Expect(s.there(n)).To(BeEmpty())

	closed := s.pod(n, s.values)
	g.Expect(closed.run(step.Install).Message).To(HaveSuffix("; no other pod gets in by these values: set listen_addresses and access"))

	b := shippedExtensions["buildkit"]
	p = b.installer(n, "")
	expectFailure(t, p.run(step.Install), "buildkit::NoPod", "worker is containerd, and no pod reaches the containerd of its node; set worker to oci")
	g.Expect(b.there(n)).To(BeEmpty())
}

// Another configuration changes the ConfigMap and the pod, and the API says in its own words what cannot be changed.
func TestPostgreSQLIsConfiguredAnew(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := newTenant(t)
	s := shippedExtensions["postgresql-16"]
	p := s.installer(n, s.values)
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
	n.settle()
	before := s.there(n)
	changed := s.pod(n, "{max_connections: 7, patience_s: 1}")
	g.Expect(changed.run(step.Install).State).To(Equal(step.Succeeded))
	after := s.there(n)
	for kind, same := range map[string]bool{"ConfigMap": false, "StatefulSet": false, "Service": true, "PersistentVolumeClaim": true, "Secret": true} {
		g.Expect(after[kind].GetResourceVersion() == before[kind].GetResourceVersion()).To(Equal(same), kind)
	}
	g.Expect(after["ConfigMap"].Object["data"]).To(HaveKeyWithValue("postgresql.conf", ContainSubstring("max_connections = 7\n")))

	smaller := s.pod(n, "{storage: 1Gi, patience_s: 1}")
	expectFailure(t, smaller.run(step.Install), "kube::Invalid", "the Kubernetes API says: ", "spec")
}

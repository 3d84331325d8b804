// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"provisioning.dev/extension-operator/internal/step"
)

// shipped is an extension of the built-in library that installs something, as its rbac.yaml expects it.
type shipped struct {
	dir, installation, account string
	keys                       []string
	folders                    map[string]string
	// values are enough to install it; verify looks once.
	values string
	// objects are what install makes, by kind; workload is the one of them with pods, and image theirs.
	objects         map[string]string
	workload, image string
	// kept are the kinds that uninstall leaves.
	kept []string
	// level is the Pod Security that its pods fit.
	level string
}

var postgresqlObjects = map[string]string{
	"ConfigMap": "postgresql", "Service": "postgresql", "StatefulSet": "postgresql",
	"PersistentVolumeClaim": "postgresql-data", "Secret": "postgresql-password",
}

func postgresqlOf(version, image string) shipped {
	key := "taskserv:postgresql:" + version
	return shipped{
		dir: "../../extensions/taskservs/postgresql/" + version, installation: "postgresql", account: "postgresql-installer",
		keys: []string{"provider:kube:1.0.0", key}, folders: map[string]string{"provider:kube:1.0.0": kubeDir, key: "../../extensions/taskservs/postgresql/" + version},
		values: "{patience_s: 1}", objects: postgresqlObjects, workload: "StatefulSet", image: image,
		kept: []string{"PersistentVolumeClaim", "Secret"}, level: "restricted",
	}
}

var shippedExtensions = map[string]shipped{
	"postgresql-16": postgresqlOf("16.4.0", "postgres:16.4"),
	"postgresql-17": postgresqlOf("17.2.0", "postgres:17.2"),
	"buildkit": {
		dir: "../../extensions/clusters/buildkit", installation: "buildkitd", account: "buildkit-installer",
		keys: []string{"provider:kube:1.0.0", "taskserv:containerd:2.1.4", "cluster:buildkit:1.0.0"},
		folders: map[string]string{
			"provider:kube:1.0.0": kubeDir, "taskserv:containerd:2.1.4": "../../extensions/taskservs/containerd", "cluster:buildkit:1.0.0": "../../extensions/clusters/buildkit",
		},
		values: "{worker: oci, patience_s: 1}", objects: map[string]string{"ConfigMap": "buildkitd", "Service": "buildkitd", "Deployment": "buildkitd"},
		workload: "Deployment", image: "moby/buildkit:v0.23.2-rootless", level: "baseline",
	},
}

// resources are where the API has each kind.
var resources = map[string]schema.GroupVersionResource{
	"ConfigMap": corev1.SchemeGroupVersion.WithResource("configmaps"), "Service": corev1.SchemeGroupVersion.WithResource("services"),
	"Secret": corev1.SchemeGroupVersion.WithResource("secrets"), "PersistentVolumeClaim": corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"),
	"StatefulSet": {Group: "apps", Version: "v1", Resource: "statefulsets"}, "Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
}

// pod is a pod of the extension with the account of this tenant, configured.
func (s shipped) pod(n tenant, values string) *pod {
	n.t.Helper()
	folders := map[string]fs.FS{}
	for key, dir := range s.folders {
		folders[key] = os.DirFS(dir)
	}
	p := newPodOf(n.t, folders, s.keys...).values(values)
	p.order.Installation = s.installation
	n.mount(p, s.account)
	if e := p.run(step.Configure); e.State != step.Succeeded {
		n.t.Fatal(e.everything())
	}
	return p
}

// installer is pod with the rights of the extension's own rbac.yaml.
func (s shipped) installer(n tenant, values string) *pod {
	n.t.Helper()
	n.apply(filepath.Join(s.dir, "rbac.yaml"))
	return s.pod(n, values)
}

// of are the objects of a kind.
func (n tenant) of(kind string) dynamic.ResourceInterface {
	n.t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config)
	NewWithT(n.t).Expect(err).NotTo(HaveOccurred())
	return client.Resource(resources[kind]).Namespace(n.namespace)
}

// there are the objects of the extension that exist.
func (s shipped) there(n tenant) map[string]*unstructured.Unstructured {
	n.t.Helper()
	found := map[string]*unstructured.Unstructured{}
	for kind, name := range s.objects {
		object, err := n.of(kind).Get(n.t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		NewWithT(n.t).Expect(err).NotTo(HaveOccurred())
		found[kind] = object
	}
	return found
}

func versions(objects map[string]*unstructured.Unstructured) map[string]string {
	all := map[string]string{}
	for kind, object := range objects {
		all[kind] = object.GetResourceVersion()
	}
	return all
}

// rollOut does what the controllers of a cluster do with the extension's pods.
func (s shipped) rollOut(n tenant) {
	n.t.Helper()
	g := NewWithT(n.t)
	object := s.there(n)[s.workload]
	g.Expect(unstructured.SetNestedMap(object.Object, map[string]any{
		"observedGeneration": object.GetGeneration(), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1),
	}, "status")).To(Succeed())
	_, err := n.of(s.workload).UpdateStatus(n.t.Context(), object, metav1.UpdateOptions{})
	g.Expect(err).NotTo(HaveOccurred())
}

// settle does what the volume controller of a cluster does at once with a new claim. The API server shows a phase that it has not stored yet, and
// the first write of whomever stores it, which is a new version of the object though nothing else of it has changed.
func (n tenant) settle() {
	n.t.Helper()
	g := NewWithT(n.t)
	claims, err := n.of("PersistentVolumeClaim").List(n.t.Context(), metav1.ListOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	for i := range claims.Items {
		_, err := n.of("PersistentVolumeClaim").UpdateStatus(n.t.Context(), &claims.Items[i], metav1.UpdateOptions{})
		g.Expect(err).NotTo(HaveOccurred())
	}
}

// eachShipped runs a test for each extension that installs something, at the same time.
func eachShipped(t *testing.T, test func(t *testing.T, s shipped)) {
	t.Helper()
	for name, s := range shippedExtensions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// The whole life of an Installation, each hook twice over live data, with no more rights than its sample gives.
func TestShippedHooks(t *testing.T) {
	eachShipped(t, func(t *testing.T, s shipped) {
		g := NewWithT(t)
		n := newTenant(t)
		p := s.installer(n, s.values)
		installed := p.run(step.Install)
		g.Expect(installed.State).To(Equal(step.Succeeded), installed.everything())
		n.settle()
		made := s.there(n)
		g.Expect(made).To(HaveLen(len(s.objects)))
		for kind, object := range made {
			g.Expect(object.GetLabels()).To(HaveKeyWithValue(owner, p.order.UID), kind)
			g.Expect(object.GetLabels()).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "extension-operator"), kind)
		}
		again := p.run(step.Install)
		g.Expect(again.State).To(Equal(step.Succeeded), again.everything())
		g.Expect(versions(s.there(n))).To(Equal(versions(made)), "the second time changes nothing")

		expectFailure(t, p.run(step.Verify), "kube::NotRolledOut", s.workload+" "+s.installation+" is not rolled out after 1sec", "its images are "+s.image)
		s.rollOut(n)
		for range 2 {
			e := p.run(step.Verify)
			g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
			g.Expect(e.Message).To(HavePrefix("1 of 1 replicas of " + s.workload + " " + s.installation + " are available"))
		}

		g.Expect(os.Remove(filepath.Join(p.order.Work, configFile))).To(Succeed())
		for _, was := range []string{"deleted", "absent"} {
			e := p.run(step.Uninstall)
			g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
			g.Expect(e.Message).To(HavePrefix(s.workload + " " + was + ", Service " + was + ", ConfigMap " + was))
			for _, kind := range s.kept {
				g.Expect(e.Message).To(MatchRegexp(";.* %s %s .*stay", kind, s.objects[kind]))
			}
		}
		left := s.there(n)
		g.Expect(slices.Sorted(maps.Keys(left))).To(Equal(slices.Sorted(slices.Values(s.kept))))
		for _, kind := range s.kept {
			g.Expect(left[kind].GetResourceVersion()).To(Equal(made[kind].GetResourceVersion()), "it was not touched")
		}

		g.Expect(os.RemoveAll(p.order.ServiceAccount)).To(Succeed())
		expectFailure(t, p.run(step.Uninstall), "kube::NoServiceAccount", "there is no service account")
	})
}

// Each object in turn belongs to somebody else: it is refused, and neither changed nor deleted.
func TestShippedHooksRefuseWhatIsNotTheirs(t *testing.T) {
	eachShipped(t, func(t *testing.T, s shipped) {
		g := NewWithT(t)
		for kind, name := range s.objects {
			n := newTenant(t)
			p := s.installer(n, s.values)
			e := p.run(step.Install)
			g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
			theirs := s.there(n)[kind]
			theirs.SetLabels(map[string]string{owner: otherUID})
			theirs, err := n.of(kind).Update(t.Context(), theirs, metav1.UpdateOptions{})
			g.Expect(err).NotTo(HaveOccurred())

			code := "kube::Foreign"
			if slices.Contains(s.kept, kind) {
				code = "postgresql::ForeignData"
			}
			expectFailure(t, p.run(step.Install), code, kind+" "+name+" is there already and is of the Installation with uid "+otherUID)
			expectFailure(t, p.run(step.Verify), "kube::Foreign", kind+" "+name)
			e = p.run(step.Uninstall)
			g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
			if !slices.Contains(s.kept, kind) {
				g.Expect(e.Message).To(ContainSubstring(kind + " foreign"))
			}
			g.Expect(s.there(n)).To(HaveKey(kind))
			g.Expect(s.there(n)[kind].GetResourceVersion()).To(Equal(theirs.GetResourceVersion()), kind)
		}
	})
}

// What install made and is gone again is found out by verify.
func TestShippedHooksReadBack(t *testing.T) {
	eachShipped(t, func(t *testing.T, s shipped) {
		g := NewWithT(t)
		n := newTenant(t)
		p := s.installer(n, s.values)
		g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
		s.rollOut(n)
		for _, kind := range slices.Sorted(maps.Keys(s.objects)) {
			object := s.there(n)[kind]
			g.Expect(n.of(kind).Delete(t.Context(), object.GetName(), metav1.DeleteOptions{})).To(Succeed())
			if finalizers := object.GetFinalizers(); len(finalizers) > 0 {
				object, err := n.of(kind).Get(t.Context(), object.GetName(), metav1.GetOptions{})
				g.Expect(err).NotTo(HaveOccurred())
				object.SetFinalizers(nil)
				_, err = n.of(kind).Update(t.Context(), object, metav1.UpdateOptions{})
				g.Expect(err).NotTo(HaveOccurred())
			}
			expectFailure(t, p.run(step.Verify), "kube::NotFound", kind+" "+object.GetName()+" is not there; install it again")
			object.SetResourceVersion("")
			object.SetUID("")
			object.SetManagedFields(nil)
			_, err := n.of(kind).Create(t.Context(), object, metav1.CreateOptions{})
			g.Expect(err).NotTo(HaveOccurred())
		}
	})
}

// The pods fit the level of Pod Security that the README names, and no stricter one.
func TestShippedPodsMayRun(t *testing.T) {
	eachShipped(t, func(t *testing.T, s shipped) {
		g := NewWithT(t)
		n := newTenant(t)
		p := s.installer(n, s.values)
		g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
		text, _, err := unstructured.NestedMap(s.there(n)[s.workload].Object, "spec", "template")
		g.Expect(err).NotTo(HaveOccurred())
		template := corev1.PodTemplateSpec{}
		g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(text, &template)).To(Succeed())
		g.Expect(template.Labels).To(HaveKeyWithValue(owner, p.order.UID))

		dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		try := func(level string) error {
			namespace, err := n.admin.CoreV1().Namespaces().Get(t.Context(), n.namespace, metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			namespace.Labels["pod-security.kubernetes.io/enforce"] = level
			_, err = n.admin.CoreV1().Namespaces().Update(t.Context(), namespace, metav1.UpdateOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "try", Labels: template.Labels}, Spec: template.Spec}
			_, err = n.admin.CoreV1().Pods(n.namespace).Create(t.Context(), pod, dry)
			return err
		}
		refused := MatchError(ContainSubstring("violates PodSecurity"))
		g.Eventually(func() error { return try(s.level) }).Should(Succeed())
		if s.level == "baseline" {
			g.Eventually(func() error { return try("restricted") }).Should(refused)
			g.Eventually(func() error { return try("baseline") }).Should(Succeed())
		}
		template.Spec.HostNetwork = true
		g.Expect(try(s.level)).To(refused, "it is looked at")
	})
}

// Whatever verb of its Role is taken away, a hook lacks it.
func TestRolesGrantNothingUnused(t *testing.T) {
	for name, s := range shippedExtensions {
		if name == "postgresql-17" {
			continue // has the Role and the hooks of 16
		}
		for i, rule := range s.role(t).Rules {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					t.Run(name+"/"+verb+" "+resource, func(t *testing.T) {
						t.Parallel()
						s.without(t, i, resource, verb)
					})
				}
			}
		}
	}
}

// role is that of the extension's rbac.yaml.
func (s shipped) role(t *testing.T) *rbacv1.Role {
	t.Helper()
	g := NewWithT(t)
	n := newTenant(t)
	n.apply(filepath.Join(s.dir, "rbac.yaml"))
	role, err := n.admin.RbacV1().Roles(n.namespace).Get(t.Context(), s.account, metav1.GetOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	return role
}

// without runs the hooks with a Role that lacks one verb of one resource.
func (s shipped) without(t *testing.T, index int, resource, verb string) {
	t.Helper()
	g := NewWithT(t)
	n := newTenant(t)
	n.apply(filepath.Join(s.dir, "rbac.yaml"))
	roles := n.admin.RbacV1().Roles(n.namespace)
	role, err := roles.Get(t.Context(), s.account, metav1.GetOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	taken := role.Rules[index].DeepCopy()
	taken.Resources = []string{resource}
	taken.Verbs = slices.DeleteFunc(taken.Verbs, func(v string) bool { return v == verb })
	rest := &role.Rules[index]
	rest.Resources = slices.DeleteFunc(rest.Resources, func(r string) bool { return r == resource })
	if len(rest.Resources) == 0 {
		role.Rules = slices.Delete(role.Rules, index, index+1)
	}
	if len(taken.Verbs) > 0 {
		role.Rules = append(role.Rules, *taken)
	}
	_, err = roles.Update(t.Context(), role, metav1.UpdateOptions{})
	g.Expect(err).NotTo(HaveOccurred())

	p := s.pod(n, s.values)
	for _, one := range []step.Step{step.Install, step.Verify, step.Uninstall} {
		e := p.run(one)
		if e.Code == "kube::Forbidden" {
			g.Expect(e.Message).To(ContainSubstring(`cannot %s resource "%s"`, verb, resource))
			g.Expect(e.Message).To(ContainSubstring("allow it in a Role"))
			return
		}
		if one != step.Verify {
			g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
		}
	}
	t.Errorf("%s works without %s of %s", strings.TrimPrefix(s.dir, "../../"), verb, resource)
}

// Values that do not fit are told by their names before anything is made.
func TestShippedHooksNameWrongValues(t *testing.T) {
	for name, c := range map[string]struct{ values, says string }{
		"postgresql-16": {"{storage: 5}", "storage is of type int; give a value of type string"},
		"postgresql-17": {"{image: 'a b'}", `image is "a b"; give an image such as postgres:17`},
		"buildkit":      {"{worker: oci, memory: 1}", "unknown value memory; known values: "},
	} {
		s := shippedExtensions[name]
		folders := map[string]fs.FS{}
		for key, dir := range s.folders {
			folders[key] = os.DirFS(dir)
		}
		p := newPodOf(t, folders, s.keys...).values(c.values)
		e := p.run(step.Configure)
		NewWithT(t).Expect(e.State).To(Equal(step.Failed), name)
		NewWithT(t).Expect(e.Message).To(ContainSubstring(c.says), name)
	}
}

// Names that Services and the pods of StatefulSets cannot have are refused before anything is made.
func TestShippedHooksRefuseNames(t *testing.T) {
	eachShipped(t, func(t *testing.T, s shipped) {
		n := newTenant(t)
		p := s.installer(n, s.values)
		for _, name := range []string{"a.b", "1st", strings.Repeat("a", 64)} {
			p.order.Installation = name
			e := p.run(step.Install)
			NewWithT(t).Expect(e.State).To(Equal(step.Failed))
			NewWithT(t).Expect(e.Message).To(ContainSubstring(`installation is "` + name + `"; give the Installation a name`))
		}
		NewWithT(t).Expect(s.there(n)).To(BeEmpty())
	})
}

// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/installation"
)

const foreign = "example.org/kept"

// shippedUninstall makes the account and the roles of config/uninstall known, once.
var shippedUninstall = sync.OnceValue(func() error {
	plane, err := theCluster()
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "extension-system"}}
	if err := client.IgnoreAlreadyExists(plane.admin.Create(context.Background(), ns)); err != nil {
		return err
	}
	for _, file := range []string{"service_account.yaml", "role.yaml", "role_binding.yaml", "stop_role.yaml", "stop_role_binding.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "config", "uninstall", file))
		if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			return err
		}
		if err := plane.admin.Create(context.Background(), object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
})

// uninstaller is the ServiceAccount of the Job that the chart runs before it is uninstalled, with what is shipped for it.
func uninstaller(g *WithT) (as, admin client.WithWatch) {
	plane, err := theCluster()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shippedUninstall()).To(Succeed())
	impersonated := rest.CopyConfig(plane.root)
	impersonated.Impersonate.UserName = "system:serviceaccount:extension-system:extension-uninstall"
	impersonated.Impersonate.Groups = []string{"system:authenticated", "system:serviceaccounts"}
	as, err = client.NewWithWatch(impersonated, client.Options{Scheme: testScheme()})
	g.Expect(err).NotTo(HaveOccurred())
	admin, err = client.NewWithWatch(plane.root, client.Options{Scheme: testScheme()})
	g.Expect(err).NotTo(HaveOccurred())
	return as, admin
}

// leftovers is a namespace with what an operator that is gone leaves, all of it deleted already.
func leftovers(t *testing.T, g *WithT, admin client.Client) (namespace string, ours, others []client.Object) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "left-"}}
	g.Expect(admin.Create(t.Context(), ns)).To(Succeed())
	meta := func(name string, finalizers ...string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: ns.Name, Name: name, Finalizers: finalizers, Labels: map[string]string{installation.InstallationLabel: "db", installation.UIDLabel: "u"}}
	}
	inst := &api.Installation{ObjectMeta: meta("db", installation.UninstallFinalizer), Spec: api.InstallationSpec{
		ExtensionRef: api.ExtensionReference{Name: "db"}, DeletionPolicy: api.UninstallOnDeletion,
	}}
	inst.Labels = nil
	pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	job := &batchv1.Job{ObjectMeta: meta("db-1", foreign, installation.JobFinalizer), Spec: batchv1.JobSpec{Template: pod, Suspend: ptr.To(true)}}
	ours = []client.Object{inst, &corev1.ConfigMap{ObjectMeta: meta("db-payload", installation.UninstallFinalizer)}, job}
	others = []client.Object{&corev1.ConfigMap{ObjectMeta: meta("theirs", foreign)}}
	for _, object := range append(append([]client.Object{}, ours...), others...) {
		g.Expect(admin.Create(t.Context(), object)).To(Succeed())
		g.Expect(admin.Delete(t.Context(), object, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	}
	t.Cleanup(func() { // a foreign finalizer is its owner's to take off
		for _, object := range append(ours, others...) {
			_ = admin.Patch(context.Background(), object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
		}
	})
	return ns.Name, ours, others
}

func finalizersOf(g *WithT, c client.Client, object client.Object) []string {
	err := c.Get(context.Background(), client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	g.Expect(err).NotTo(HaveOccurred())
	return object.GetFinalizers()
}

func TestReleaseLetsGoOfWhatTheOperatorKeeps(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	namespace, ours, others := leftovers(t, g, admin)
	var told bytes.Buffer
	release := installation.Release{Client: c, Namespace: namespace, Tell: func(r installation.Released) {
		fmt.Fprintf(&told, "%s %s/%s\n", r.Kind, r.Namespace, r.Name)
	}}

	release.DryRun = true
	g.Expect(release.All(t.Context())).To(Succeed())
	everything := fmt.Sprintf("Job %[1]s/db-1\nConfigMap %[1]s/db-payload\nInstallation %[1]s/db\n", namespace)
	g.Expect(told.String()).To(Equal(everything))
	for _, object := range ours {
		g.Expect(finalizersOf(g, admin, object)).NotTo(BeEmpty(), "a dry run changes nothing")
	}

	told.Reset()
	release.DryRun = false
	g.Expect(release.All(t.Context())).To(Succeed())
	g.Expect(told.String()).To(Equal(everything))
	g.Expect(finalizersOf(g, admin, ours[0])).To(BeEmpty())
	g.Expect(finalizersOf(g, admin, ours[1])).To(BeEmpty())
	g.Expect(finalizersOf(g, admin, ours[2])).To(Equal([]string{foreign}), "the Job keeps that of somebody else")
	g.Expect(finalizersOf(g, admin, others[0])).To(Equal([]string{foreign}))
	for _, object := range ours[:2] {
		g.Expect(apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(object), object))).To(BeTrue(), "what was deleted is gone")
	}

	told.Reset()
	g.Expect(release.All(t.Context())).To(Succeed(), "again there is nothing to do")
	g.Expect(told.String()).To(BeEmpty())
}

func TestReleaseLeavesOtherNamespacesAlone(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	other, elsewhere, _ := leftovers(t, g, admin)
	namespace, _, _ := leftovers(t, g, admin)
	count := map[string]int{}
	release := installation.Release{Client: c, Namespace: namespace, Tell: func(r installation.Released) { count[r.Namespace]++ }}
	g.Expect(release.All(t.Context())).To(Succeed())
	g.Expect(count).To(Equal(map[string]int{namespace: 3}))
	for _, object := range elsewhere {
		g.Expect(finalizersOf(g, admin, object)).NotTo(BeEmpty())
	}
	release.Namespace = ""
	g.Expect(release.All(t.Context())).To(Succeed())
	g.Expect(count).To(HaveKeyWithValue(other, 3)) // and what other tests have left
}

func TestReleaseSaysWhenAControllerPutsFinalizersOnAgain(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "again-"}}
	g.Expect(admin.Create(t.Context(), ns)).To(Succeed())
	inst := &api.Installation{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "db", Finalizers: []string{installation.UninstallFinalizer}},
		Spec:       api.InstallationSpec{ExtensionRef: api.ExtensionReference{Name: "db"}},
	}
	g.Expect(admin.Create(t.Context(), inst)).To(Succeed())
	held := interceptor.NewClient(c, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := c.Patch(ctx, object, patch, opts...); err != nil {
				return err
			}
			again := []byte(`{"metadata":{"finalizers":["` + installation.UninstallFinalizer + `"]}}`)
			return admin.Patch(ctx, inst, client.RawPatch(types.MergePatchType, again))
		},
	})
	release := installation.Release{Client: held, Namespace: ns.Name, Tell: func(installation.Released) {}}
	g.Expect(release.All(t.Context())).To(MatchError(installation.ErrComesAgain))
	release.Client = c
	g.Expect(release.All(t.Context())).To(Succeed())
}

// TestReleaseTellsWhatTheAPIServerRefuses, and lets go of the rest: a policy of the cluster's owner denies the change of Installations.
func TestReleaseTellsWhatTheAPIServerRefuses(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	namespace, ours, _ := leftovers(t, g, admin)
	denied(t, g, admin, namespace)
	release := installation.Release{Client: c, Namespace: namespace, Tell: func(installation.Released) {}}
	// The API server takes a moment to heed a new policy.
	frozen := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`))
	g.Eventually(func() bool { return apierrors.IsInvalid(c.Patch(t.Context(), ours[0], frozen, client.DryRunAll)) }, "30s", "100ms").Should(BeTrue())

	err := release.All(t.Context())
	g.Expect(err).To(MatchError(And(ContainSubstring("Installation "+namespace+"/db keeps its finalizer, because the API server refuses the change"), ContainSubstring("frozen on fridays"))))
	g.Expect(err).NotTo(MatchError(installation.ErrComesAgain))
	g.Expect(finalizersOf(g, admin, ours[0])).To(Equal([]string{installation.UninstallFinalizer}))
	g.Expect(finalizersOf(g, admin, ours[1])).To(BeEmpty())
	g.Expect(finalizersOf(g, admin, ours[2])).To(Equal([]string{foreign}))
}

// denied has the API server refuse each change of an Installation of a namespace, as invalid, until the test ends.
func denied(t *testing.T, g *WithT, admin client.Client, namespace string) {
	fail, all := admissionv1.Fail, []string{"*"}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: namespace}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{api.GroupVersion.Group}, APIVersions: all, Resources: []string{"installations"}},
		}}}},
		Validations: []admissionv1.Validation{{Expression: "false", Message: "frozen on fridays"}},
	}}
	in := &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: namespace}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}, MatchResources: &admissionv1.MatchResources{NamespaceSelector: in},
	}}
	for _, object := range []client.Object{policy, binding} {
		g.Expect(admin.Create(t.Context(), object)).To(Succeed())
		t.Cleanup(func() { g.Expect(admin.Delete(context.Background(), object)).To(Succeed()) })
	}
}

func TestStopScalesTheControllerToNothingAndWaitsForItsPods(t *testing.T) {
	g := NewWithT(t)
	c, admin := uninstaller(g)
	name := types.NamespacedName{Namespace: "extension-system", Name: "extension-installer"}
	g.Expect(installation.StopController(t.Context(), c, name, 10*time.Millisecond)).To(Succeed(), "one that is not there is stopped")

	labels := map[string]string{"app.kubernetes.io/component": "installer"}
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: "installer-1", Labels: labels}, Spec: spec}
	g.Expect(admin.Create(t.Context(), deployment)).To(Succeed())
	g.Expect(admin.Create(t.Context(), pod)).To(Succeed())

	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	g.Expect(installation.StopController(short, c, name, 10*time.Millisecond)).To(MatchError(ContainSubstring("its pods do not end in time")))
	g.Expect(admin.Get(t.Context(), name, deployment)).To(Succeed())
	g.Expect(deployment.Spec.Replicas).To(HaveValue(BeZero()))

	evicted := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: "installer-2", Labels: labels}, Spec: spec}
	g.Expect(admin.Create(t.Context(), evicted)).To(Succeed())
	evicted.Status.Phase, evicted.Status.Reason = corev1.PodFailed, "Evicted"
	g.Expect(admin.Status().Update(t.Context(), evicted)).To(Succeed())
	g.Expect(admin.Delete(t.Context(), pod, client.GracePeriodSeconds(0))).To(Succeed())
	g.Expect(installation.StopController(t.Context(), c, name, 10*time.Millisecond)).To(Succeed())

	other := types.NamespacedName{Namespace: name.Namespace, Name: "extension-manager"}
	err := installation.StopController(t.Context(), c, other, 10*time.Millisecond)
	g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "its role names one Deployment: %v", err)
}

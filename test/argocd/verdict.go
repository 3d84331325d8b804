// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"slices"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// Verdict is what GitOps tools think of an object.
type Verdict struct {
	// Kstatus is that of Flux, and of kubectl wait for kstatus.
	Kstatus status.Status
	// Health is that of Argo CD.
	Health
}

// agree are the words of both that go together. What is suspended is told by Argo CD alone.
var agree = map[status.Status][]string{
	status.CurrentStatus:    {"Healthy", "Suspended"},
	status.InProgressStatus: {"Progressing", "Suspended"},
	status.FailedStatus:     {"Degraded", "Suspended"},
}

// Judge gives the verdicts on an Extension or an Installation. That they contradict each
// other is an error, and so is one that Argo CD offers another action for than reload.
func (c Customizations) Judge(object client.Object) (Verdict, error) {
	u, err := toUnstructured(object)
	if err != nil {
		return Verdict{}, err
	}
	result, err := status.Compute(u)
	if err != nil {
		return Verdict{}, err
	}
	health, err := c.Health(u)
	if err != nil {
		return Verdict{}, err
	}
	if !slices.Contains(agree[result.Status], health.Status) {
		return Verdict{}, fmt.Errorf("kstatus says %s and Argo CD %s (%s)", result.Status, health.Status, health.Message)
	}
	offered, err := c.Offered(u)
	if err != nil {
		return Verdict{}, err
	}
	if _, is := offered[action]; !is || len(offered) > 1 {
		return Verdict{}, fmt.Errorf("not reload alone is offered, but %v", offered)
	}
	return Verdict{Kstatus: result.Status, Health: health}, nil
}

// toUnstructured is an object as clients of the API see it.
func toUnstructured(object client.Object) (*unstructured.Unstructured, error) {
	scheme := runtime.NewScheme()
	if err := api.AddToScheme(scheme); err != nil {
		return nil, err
	}
	gvk, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	return u, nil
}

// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// What a script may not use would pass unseen in a machine that has more than Argo CD's.
func TestTheMachineHasWhatArgoCDOpensAndNoMore(t *testing.T) {
	for script, works := range map[string]bool{
		"for _ in ipairs({}) do end return {table.concat({'a'}), tostring(1), require('os').time(), require('os').date('!%Y')}": true,
		"return {string.format('a')}":         false,
		"return {('a'):upper()}":              false,
		"return {math.floor(1.5)}":            false,
		"return {os.time()}":                  false,
		"return {require('os').getenv('A')}":  false,
		"return {require('os').execute('a')}": false,
		"return {io.open('/etc/passwd')}":     false,
		"return {require('json')}":            false,
		"return 1":                            false,
		"return nothing.at.all":               false,
		"this is no Lua":                      false,
	} {
		t.Run(script, func(t *testing.T) {
			_, err := run(script, map[string]any{})
			NewWithT(t).Expect(err == nil).To(Equal(works), "%v", err)
		})
	}
}

func TestAScriptHasASecond(t *testing.T) {
	g := NewWithT(t)
	began := time.Now()
	_, err := run("while true do end", map[string]any{})
	g.Expect(err).To(MatchError(ContainSubstring("deadline")))
	g.Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
}

// bare is an object with maps and lists that are empty.
func bare(kind string, change ...func(map[string]any)) *unstructured.Unstructured {
	object := map[string]any{
		"apiVersion": api.GroupVersion.String(), "kind": kind,
		"metadata": map[string]any{"name": "a", "namespace": "b", "generation": int64(3), "labels": map[string]any{}},
		"spec":     map[string]any{"values": map[string]any{"none": map[string]any{}, "list": []any{map[string]any{}, "x"}}, "timeout": "30s"},
		"status":   map[string]any{"observedGeneration": int64(3), "dependencies": []any{}},
	}
	for _, c := range change {
		c(object)
	}
	return &unstructured.Unstructured{Object: object}
}

func suspended(object map[string]any) { object["spec"].(map[string]any)["suspend"] = true }

// withCondition adds one that is True.
func withCondition(name string) func(map[string]any) {
	return func(object map[string]any) {
		object["status"].(map[string]any)["conditions"] = []any{map[string]any{"type": name, "status": "True", "reason": "Any", "message": "any"}}
	}
}

func TestReloadIsOffered(t *testing.T) {
	shipped, err := Shipped()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	unseen := func(object map[string]any) { delete(object, "status") }
	labels := map[string]string{"Extension": "Reload: read and check it again", "Installation": "Reload: run its hooks again"}
	for name, c := range map[string]struct {
		object   *unstructured.Unstructured
		disabled bool
	}{
		"an Extension":                                   {bare("Extension"), false},
		"one that nobody has seen":                       {bare("Extension", unseen), false},
		"one that is loading":                            {bare("Extension", withCondition("Reconciling")), false},
		"a suspended one":                                {bare("Extension", suspended), true},
		"an Installation":                                {bare("Installation"), false},
		"one that has failed":                            {bare("Installation", withCondition("Stalled")), false},
		"an Installation that nobody has seen":           {bare("Installation", unseen), false},
		"one that is under way":                          {bare("Installation", withCondition("Reconciling")), true},
		"a suspended Installation":                       {bare("Installation", suspended), true},
		"a suspended one that is under way all the same": {bare("Installation", suspended, withCondition("Reconciling")), true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			offered, err := shipped.Offered(c.object)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(offered).To(Equal(map[string]Offer{"reload": {Disabled: c.disabled, DisplayName: labels[c.object.GetKind()]}}))
		})
	}
}

func TestAMisspeltOfferIsTold(t *testing.T) {
	g := NewWithT(t)
	c := Customizations{actions: map[schema.GroupKind]Actions{
		{Group: api.GroupVersion.Group, Kind: "Extension"}: {Discovery: "return {reload = {dispalyName = 'a'}}"},
	}}
	_, err := c.Offered(bare("Extension"))
	g.Expect(err).To(MatchError(ContainSubstring(`unknown field "dispalyName"`)))
}

// What Argo CD patches is the annotation and nothing else, whatever the object has.
func TestActionsSetTheAnnotationAlone(t *testing.T) {
	shipped, err := Shipped()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	others := func(object map[string]any) {
		object["metadata"].(map[string]any)["annotations"] = map[string]any{
			"example.com/a": "1", api.ReloadAnnotation: "old", api.RetryAnnotation: "old",
		}
	}
	for kind, annotation := range map[string]string{"Extension": api.ReloadAnnotation, "Installation": api.RetryAnnotation} {
		for name, object := range map[string]*unstructured.Unstructured{"without annotations": bare(kind), "with some": bare(kind, others)} {
			t.Run(kind+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				after, err := shipped.Act(object, "reload")
				g.Expect(err).NotTo(HaveOccurred())
				patch, err := client.MergeFrom(object).Data(after)
				g.Expect(err).NotTo(HaveOccurred())

				token := after.GetAnnotations()[annotation]
				asked, err := time.Parse(time.RFC3339, token)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(asked).To(BeTemporally("~", time.Now(), time.Minute), "it is another one each second")
				want, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: token}}})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(patch).To(MatchJSON(want))
			})
		}
	}
}

func TestEveryActionThatIsDefinedIsOfferedAndTheOtherWayRound(t *testing.T) {
	g := NewWithT(t)
	shipped, err := Shipped()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shipped.health).To(HaveLen(len(kinds)))
	g.Expect(shipped.actions).To(HaveLen(len(kinds)))
	for _, kind := range kinds {
		offered, err := shipped.Offered(bare(kind))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(slices.Collect(maps.Keys(offered))).To(ConsistOf(action))
		_, err = shipped.Act(bare(kind), action)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = shipped.Act(bare(kind), "restart")
		g.Expect(err).To(MatchError(ContainSubstring("no action restart")))
	}
}

// Objects that no operator has written, and half-written ones, must not make a script fail.
func TestOddObjectsAreProgressing(t *testing.T) {
	shipped, err := Shipped()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for name, change := range map[string]func(map[string]any){
		"no status":        func(o map[string]any) { delete(o, "status") },
		"an empty status":  func(o map[string]any) { o["status"] = map[string]any{} },
		"never seen":       func(o map[string]any) { o["status"] = map[string]any{"observedGeneration": int64(-1)} },
		"no conditions":    func(o map[string]any) { o["status"] = map[string]any{"observedGeneration": int64(3)} },
		"empty conditions": func(o map[string]any) { o["status"].(map[string]any)["conditions"] = []any{} },
		"not Ready alone":  withCondition("example.com/Audited"),
		"an older generation": func(o map[string]any) {
			withCondition("Ready")(o)
			o["metadata"].(map[string]any)["generation"] = int64(4)
		},
	} {
		for _, kind := range kinds {
			t.Run(kind+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				health, err := shipped.Health(bare(kind, change))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(health).To(Equal(Health{"Progressing", "waits for the operator to look at it"}))
			})
		}
	}
}

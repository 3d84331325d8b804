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

func TestActionsAreOffered(t *testing.T) {
	shipped, err := Shipped()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	unseen := func(object map[string]any) { delete(object, "status") }
	for name, c := range map[string]struct {
		object *unstructured.Unstructured
		want   map[string]bool
	}{
		"an Extension":                                   {bare("Extension"), map[string]bool{"reload": true}},
		"one that nobody has seen":                       {bare("Extension", unseen), map[string]bool{"reload": true}},
		"one that is loading":                            {bare("Extension", withCondition("Reconciling")), map[string]bool{"reload": true}},
		"a suspended one":                                {bare("Extension", suspended), map[string]bool{"reload": false}},
		"an Installation":                                {bare("Installation"), map[string]bool{"retry": true}},
		"one that has failed":                            {bare("Installation", withCondition("Stalled")), map[string]bool{"retry": true}},
		"an Installation that nobody has seen":           {bare("Installation", unseen), map[string]bool{"retry": true}},
		"one that is under way":                          {bare("Installation", withCondition("Reconciling")), map[string]bool{"retry": false}},
		"a suspended Installation":                       {bare("Installation", suspended), map[string]bool{"retry": false}},
		"a suspended one that is under way all the same": {bare("Installation", suspended, withCondition("Reconciling")), map[string]bool{"retry": false}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			offered, err := shipped.Offered(c.object)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(offered).To(Equal(c.want))
		})
	}
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
	for kind, c := range map[string]struct{ action, annotation string }{
		"Extension": {"reload", api.ReloadAnnotation}, "Installation": {"retry", api.RetryAnnotation},
	} {
		for name, object := range map[string]*unstructured.Unstructured{"without annotations": bare(kind), "with some": bare(kind, others)} {
			t.Run(kind+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				after, err := shipped.Act(object, c.action)
				g.Expect(err).NotTo(HaveOccurred())
				patch, err := client.MergeFrom(object).Data(after)
				g.Expect(err).NotTo(HaveOccurred())

				token := after.GetAnnotations()[c.annotation]
				asked, err := time.Parse(time.RFC3339, token)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(asked).To(BeTemporally("~", time.Now(), time.Minute), "it is another one each second")
				want, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{c.annotation: token}}})
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
	for _, k := range kinds {
		offered, err := shipped.Offered(bare(k.kind))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(slices.Collect(maps.Keys(offered))).To(ConsistOf(k.action))
		_, err = shipped.Act(bare(k.kind), k.action)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = shipped.Act(bare(k.kind), "restart")
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
		for _, k := range kinds {
			t.Run(k.kind+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				health, err := shipped.Health(bare(k.kind, change))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(health).To(Equal(Health{"Progressing", "waits for the operator to look at it"}))
			})
		}
	}
}

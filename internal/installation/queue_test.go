// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// crowd reads Installations in the order of their age: a/runs, b/waits, b/waits/deleted.
func crowd(texts ...string) []api.Installation {
	var all []api.Installation
	for i, text := range texts {
		parts := strings.Split(text, "/")
		inst := api.Installation{ObjectMeta: metav1.ObjectMeta{
			Namespace: parts[0], Name: strconv.Itoa(i), UID: types.UID(strconv.Itoa(i)), CreationTimestamp: metav1.Unix(int64(i), 0),
		}}
		if slices.Contains(parts, "runs") {
			inst.Status.Attempt, inst.Status.Plan = &api.InstallationAttempt{Number: 1}, &api.InstallationPlan{}
			inst.Status.Steps = []api.InstallationStep{{Name: api.InstallStep, State: api.StepRunning}}
		}
		if slices.Contains(parts, "waits") {
			inst.Status.Conditions = []metav1.Condition{{Type: api.ReadyCondition, Reason: api.QueuedReason}}
		}
		if slices.Contains(parts, "deleted") {
			inst.DeletionTimestamp = ptr.To(metav1.NewTime(time.Unix(99, 0)))
		}
		all = append(all, inst)
	}
	return all
}

// The last of each crowd asks how many come before it.
func TestTheTurnGoesRoundTheNamespacesAndThenByAge(t *testing.T) {
	limits := Limits{Total: 20, PerNamespace: 2}
	for name, c := range map[string]struct {
		crowd []string
		ahead int
	}{
		"nobody waits":                               {[]string{"a/runs", "b"}, 0},
		"older ones of a namespace come first":       {[]string{"a/waits", "a/waits", "a"}, 2},
		"younger ones do not":                        {[]string{"a/waits", "b"}, 1},
		"a namespace where none runs comes first":    {[]string{"a/runs", "a/waits", "a/waits", "b"}, 0},
		"and is behind the like of it":               {[]string{"c/waits", "a/runs", "a/waits", "b"}, 1},
		"one that may not run holds nobody up":       {[]string{"a/runs", "a/runs", "a/waits", "b/runs", "b"}, 0},
		"what is taken away is in a line of its own": {[]string{"a/waits/deleted", "a/runs/deleted", "a"}, 0},
		"and among its like by age":                  {[]string{"a/waits", "b/waits/deleted", "b/deleted"}, 1},
	} {
		all := crowd(c.crowd...)
		inst := &all[len(all)-1]
		NewWithT(t).Expect(newLine(all, inst).ahead(inst, limits)).To(Equal(c.ahead), name)
	}
}

func TestThoseWhoseTurnItIsAreWoken(t *testing.T) {
	g := NewWithT(t)
	all := crowd("a/runs", "a/waits", "a/waits", "b/waits", "c/waits", "c")
	var names []string
	for _, inst := range newLine(all, &all[5]).next(3) {
		names = append(names, inst.Namespace+"/"+inst.Name)
	}
	g.Expect(names).To(Equal([]string{"b/3", "c/4", "a/1"}))
}

// What is looked for in the events of many costs no copy of them.
func BenchmarkLine(b *testing.B) {
	texts := make([]string, 8000)
	for i := range texts {
		texts[i] = fmt.Sprintf("ns-%d/%s", i%100, []string{"waits", "runs", ""}[i%3])
	}
	all := crowd(texts...)
	b.ReportAllocs()
	for b.Loop() {
		newLine(all, &all[0]).next(woken)
	}
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// Limits say how many Installations may run at once, and how many may be uninstalled at
// once beside them. Two that begin in the same moment may both take the last place.
type Limits struct {
	Total        int
	PerNamespace int
}

// queue tells whether as many run as may, or others come first.
func (r *Reconciler) queue(ctx context.Context, inst *api.Installation) (*Fault, error) {
	list := &api.InstallationList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil { // they are only read
		return nil, err
	}
	line := newLine(list.Items, inst)
	var why string
	switch ahead := line.ahead(inst, r.Limits); {
	case line.running[inst.Namespace] >= r.Limits.PerNamespace:
		why = fmt.Sprintf("%d Installations of the namespace may run at once", r.Limits.PerNamespace)
	case line.total >= r.Limits.Total:
		why = fmt.Sprintf("%d Installations of the cluster may run at once", r.Limits.Total)
	case ahead >= r.Limits.Total-line.total:
		why = fmt.Sprintf("%d others come first", ahead)
	default:
		return nil, nil //nolint:nilnil // there is nothing to wait for
	}
	return &Fault{Reason: api.QueuedReason, Message: "waits for its turn: " + why, Again: queuedAgain}, nil
}

// line is who runs and who waits, of those that install or of those that are taken away.
type line struct {
	total   int
	running map[string]int // by namespace
	waiting []*api.Installation
}

// newLine is the line that inst is in; it is not in it itself.
func newLine(all []api.Installation, inst *api.Installation) line {
	l := line{running: map[string]int{}}
	for i := range all {
		other := &all[i]
		switch {
		case other.UID == inst.UID || other.DeletionTimestamp.IsZero() != inst.DeletionTimestamp.IsZero():
		case attempting(other):
			l.total++
			l.running[other.Namespace]++
		case queued(other):
			l.waiting = append(l.waiting, other)
		}
	}
	return l
}

// ahead counts those that wait, may run, and come before inst.
func (l line) ahead(inst *api.Installation, limits Limits) int {
	ahead := 0
	for _, other := range l.waiting {
		if l.running[other.Namespace] < limits.PerNamespace && l.before(other, inst) < 0 {
			ahead++
		}
	}
	return ahead
}

// before orders those that wait: first those of the namespace in which fewer run, of those
// the oldest.
func (l line) before(a, b *api.Installation) int {
	return cmp.Or(cmp.Compare(l.running[a.Namespace], l.running[b.Namespace]),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// next are the first of those that wait.
func (l line) next(count int) []*api.Installation {
	slices.SortFunc(l.waiting, l.before)
	return l.waiting[:min(count, len(l.waiting))]
}

// attempting tells whether an attempt is, without a copy of it.
func attempting(inst *api.Installation) bool {
	return inst.Status.Attempt != nil && inst.Status.Plan != nil && !(Attempt{Steps: inst.Status.Steps}).Ended()
}

func queued(inst *api.Installation) bool { return waitsFor(inst, api.QueuedReason) }

func waitsFor(inst *api.Installation, reason string) bool {
	ready := meta.FindStatusCondition(inst.Status.Conditions, api.ReadyCondition)
	return ready != nil && ready.Reason == reason
}

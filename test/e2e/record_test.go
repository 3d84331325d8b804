// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// loadRecord is what the operator's own audit log has of a load.
type loadRecord struct{ Outcome, Sandbox, Missing string }

// loads are the loads that the managers that run now have carried out for the Extensions of the room, by Extension. They write
// their audit log to standard output (withLibrary).
func (r room) loads(ctx context.Context) map[string][]loadRecord {
	GinkgoHelper()
	found := map[string][]loadRecord{}
	for _, pod := range podsOf(ctx, manager) {
		for line := range strings.Lines(kubectl("-n", system, "logs", pod.Name, "--tail=-1")) {
			var event auditv1.Event
			if json.Unmarshal([]byte(line), &event) != nil || event.Verb != "load" || event.ObjectRef.Namespace != r.name {
				continue
			}
			noted := func(what string) string { return event.Annotations[api.GroupVersion.Group+"/"+what] }
			found[event.ObjectRef.Name] = append(found[event.ObjectRef.Name],
				loadRecord{Outcome: noted("outcome"), Sandbox: noted("sandbox"), Missing: noted("sandbox-missing")})
		}
	}
	return found
}

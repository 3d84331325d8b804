// SPDX-License-Identifier: Apache-2.0

package rights_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reader calls what the programs serve. What it may there is the API server's to say, so that the programs ask.
const reader = "reader"

// accountOf is the name of the account that a user is, if that is one of those that are compared.
func accountOf(user string) string {
	rest, isAccount := strings.CutPrefix(user, "system:serviceaccount:")
	namespace, name, _ := strings.Cut(rest, ":")
	if isAccount && (namespace == shippedNamespace || name == reader) {
		return name
	}
	return ""
}

// asked is what the audit log says that the accounts used, and what they were refused.
func asked(w *world) (used map[string]rights, refused []string) {
	used = map[string]rights{}
	file, err := os.Open(w.cluster.AuditLog)
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { w.Expect(file.Close()).To(Succeed()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		w.Expect(json.Unmarshal(lines.Bytes(), &event)).To(Succeed())
		account := accountOf(event.User.Username)
		if account == "" {
			continue
		}
		if event.ResponseStatus != nil && event.ResponseStatus.Code == http.StatusForbidden {
			refused = append(refused, fmt.Sprintf("%s: %s %s: %s", account, event.Verb, event.RequestURI, event.ResponseStatus.Message))
		}
		add(used, account, useOf(event))
		if review := reviewOf(w, event); review != nil {
			caller := accountOf(review.Spec.User)
			w.Expect(caller).NotTo(BeEmpty(), review.Spec.User)
			if add(used, caller, asksFor(review.Spec)); !review.Status.Allowed {
				refused = append(refused, fmt.Sprintf("%s: %s", caller, asksFor(review.Spec)))
			}
		}
	}
	w.Expect(lines.Err()).NotTo(HaveOccurred())
	return used, refused
}

func add(to map[string]rights, account string, one right) {
	if to[account] == nil {
		to[account] = rights{}
	}
	to[account][one] = true
}

func useOf(event auditv1.Event) right {
	if event.ObjectRef == nil {
		path, _, _ := strings.Cut(event.RequestURI, "?")
		return right{verb: event.Verb, what: path}
	}
	ref := event.ObjectRef
	return right{event.Verb, resource(ref.APIGroup, ref.Resource, ref.Subresource), ref.Name, ref.Namespace}
}

// reviewOf is the answer to a question about somebody's rights, if the event is one.
func reviewOf(w *world, event auditv1.Event) *authorizationv1.SubjectAccessReview {
	if event.ObjectRef == nil || event.ObjectRef.Resource != "subjectaccessreviews" || event.ResponseObject == nil {
		return nil
	}
	review := &authorizationv1.SubjectAccessReview{}
	w.Expect(json.Unmarshal(event.ResponseObject.Raw, review)).To(Succeed())
	return review
}

func asksFor(spec authorizationv1.SubjectAccessReviewSpec) right {
	if of := spec.ResourceAttributes; of != nil {
		return right{of.Verb, resource(of.Group, of.Resource, of.Subresource), of.Name, of.Namespace}
	}
	return right{verb: spec.NonResourceAttributes.Verb, what: spec.NonResourceAttributes.Path}
}

// grants are the rights of each account, of all roles that are bound to it, and those of everybody who is known.
func grants(w *world) (of map[string]rights, everybody rights) {
	of, all := map[string]rights{}, map[string]rights{}
	bind := func(subjects []rbacv1.Subject, rules []rbacv1.PolicyRule, namespace string) {
		for _, one := range expand(rules, namespace) {
			for _, subject := range subjects {
				if account := accountOf("system:serviceaccount:" + subject.Namespace + ":" + subject.Name); subject.Kind == rbacv1.ServiceAccountKind && account != "" {
					add(of, account, one)
				} else if subject.Kind == rbacv1.GroupKind && subject.Name == "system:authenticated" {
					add(all, subject.Name, one)
				}
			}
		}
	}
	cluster := &rbacv1.ClusterRoleBindingList{}
	w.Expect(w.admin.List(w.t.Context(), cluster)).To(Succeed())
	for _, binding := range cluster.Items {
		role := &rbacv1.ClusterRole{}
		w.Expect(client.IgnoreNotFound(w.admin.Get(w.t.Context(), client.ObjectKey{Name: binding.RoleRef.Name}, role))).To(Succeed())
		bind(binding.Subjects, role.Rules, "")
	}
	local := &rbacv1.RoleBindingList{}
	w.Expect(w.admin.List(w.t.Context(), local, client.InNamespace(shippedNamespace))).To(Succeed())
	for _, binding := range local.Items {
		w.Expect(binding.RoleRef.Kind).To(Equal("Role"))
		role := &rbacv1.Role{}
		w.Expect(w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name}, role)).To(Succeed())
		bind(binding.Subjects, role.Rules, binding.Namespace)
	}
	return of, all["system:authenticated"]
}

// expand has each right of rules by itself.
func expand(rules []rbacv1.PolicyRule, namespace string) (all []right) {
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range rule.Verbs {
			for _, path := range rule.NonResourceURLs {
				all = append(all, right{verb: verb, what: path})
			}
			for _, group := range rule.APIGroups {
				for _, of := range rule.Resources {
					for _, name := range names {
						all = append(all, right{verb, resource(group, of, ""), name, namespace})
					}
				}
			}
		}
	}
	return all
}

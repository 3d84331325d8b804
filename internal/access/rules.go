// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// atOnce is how many namespaces are asked about at a time.
const atOnce = 8

// rules are those of the cluster, as the API server tells them.
type rules struct {
	reviews    authorizationclient.SubjectAccessReviewInterface
	resource   schema.GroupVersionResource
	remembered *memo[bool]
	outage     *outage
}

// namespaces asks about all at once first: who may do it everywhere costs one question.
func (r *rules) namespaces(ctx context.Context, who caller, verb string, namespaces []string) ([]string, error) {
	everywhere, err := r.resourceRule(ctx, who, verb, metav1.NamespaceAll, "")
	if err != nil {
		return nil, err
	}
	if everywhere {
		return slices.Clone(namespaces), nil
	}
	allowed := make([]bool, len(namespaces))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, namespace := range namespaces {
		group.Go(func() error {
			var err error
			allowed[i], err = r.resourceRule(ctx, who, verb, namespace, "")
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var in []string
	for i, namespace := range namespaces {
		if allowed[i] {
			in = append(in, namespace)
		}
	}
	return in, nil
}

// object asks about all of them first, then about those of the namespace: a client that goes through many objects
// seldom costs one question for each.
func (r *rules) object(ctx context.Context, who caller, verb, namespace, name string) (bool, error) {
	for _, scope := range [][2]string{{metav1.NamespaceAll, ""}, {namespace, ""}, {namespace, name}} {
		allowed, err := r.resourceRule(ctx, who, verb, scope[0], scope[1])
		if err != nil || allowed {
			return allowed, err
		}
	}
	return false, nil
}

// resourceRule is about all namespaces where namespace is empty, and about all objects where name is.
func (r *rules) resourceRule(ctx context.Context, who caller, verb, namespace, name string) (bool, error) {
	return r.rule(ctx, who, authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Group: r.resource.Group, Version: r.resource.Version, Resource: r.resource.Resource,
		Verb: verb, Namespace: namespace, Name: name,
	}})
}

func (r *rules) path(ctx context.Context, who caller, verb, path string) (bool, error) {
	return r.rule(ctx, who, authorizationv1.SubjectAccessReviewSpec{
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: verb},
	})
}

func (r *rules) rule(ctx context.Context, who caller, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	spec.User, spec.UID, spec.Groups = who.Username, who.UID, who.Groups
	spec.Extra = make(map[string]authorizationv1.ExtraValue, len(who.Extra))
	for k, v := range who.Extra {
		spec.Extra[k] = authorizationv1.ExtraValue(v)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return false, err
	}
	// By its hash, because a path is as long as a client likes.
	return r.remembered.ask(ctx, sha256.Sum256(text), func(ctx context.Context) (bool, error) {
		answer, err := r.reviews.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		if err := r.outage.of(err); err != nil {
			return false, err
		}
		return answer.Status.Allowed && !answer.Status.Denied, nil
	})
}

// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
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
	// authorizers are what the API server asks in turn. Only a no tells how they are: before a yes not all are asked.
	authorizers *outage
}

// namespaces asks about all at once first: who may do it everywhere costs one question.
func (r *rules) namespaces(ctx context.Context, who caller, verb string, namespaces []string) ([]string, error) {
	everywhere, err := r.resourceRule(ctx, who, verb, metav1.NamespaceAll, "")
	if err != nil && !errors.As(err, new(undecided)) {
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
	var open error
	for _, scope := range [][2]string{{metav1.NamespaceAll, ""}, {namespace, ""}, {namespace, name}} {
		allowed, err := r.resourceRule(ctx, who, verb, scope[0], scope[1])
		if errors.As(err, new(undecided)) {
			open = err
		} else if err != nil || allowed {
			return allowed, err
		}
	}
	return false, open
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
		if answer.Status.Allowed && !answer.Status.Denied {
			return true, nil
		}
		return false, r.undecided(answer.Status)
	})
}

// undecided is the error of a question that the API server could not decide. A narrower one may still have a yes.
type undecided struct{ error }

func (u undecided) Unwrap() error { return u.error }

// undecided tells a no from one that is there because somebody could not be asked, such as an authorization webhook: the
// API server itself does not take that for a no. A binding to a role that is not there is no such thing.
func (r *rules) undecided(status authorizationv1.SubjectAccessReviewStatus) error {
	if status.EvaluationError == "" || status.Denied {
		return r.authorizers.of(nil)
	}
	return undecided{r.authorizers.of(unevaluated(status.EvaluationError))}
}

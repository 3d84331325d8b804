// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// Options of a guard that asks the API server.
type Options struct {
	TokenReviews         authenticationclient.TokenReviewInterface
	SubjectAccessReviews authorizationclient.SubjectAccessReviewInterface
	// Resource is what callers may do something with.
	Resource schema.GroupVersionResource
	// Audience that tokens must be for; empty for that of the API server.
	Audience string
	Limits   Limits
	Log      logr.Logger
	Now      func() time.Time
}

// How long an answer of the API server is believed, and how many are kept: a client costs it a few requests a minute.
// What was revoked is known a minute later at most, what was granted half a minute later. Of denials there are as many as
// namespaces for each caller that may not list everywhere: fewer would push each other out before they are used again.
const (
	yesTime  = time.Minute
	noTime   = 30 * time.Second
	callers  = 4096
	rulings  = 16384
	guesses  = 1024
	denials  = 65536
	askLimit = 5 * time.Second
)

// Tokens knows callers by their bearer tokens.
type Tokens struct {
	reviews  authenticationclient.TokenReviewInterface
	audience string
	known    *memo[caller]
	rules    *rules
	limits   *limiter
	outage   *outage
}

// New returns a guard that asks the API server.
func New(o Options) (*Tokens, error) {
	limits, err := newLimiter(o.Limits, o.Now)
	if err != nil {
		return nil, err
	}
	return &Tokens{
		reviews:  o.TokenReviews,
		audience: o.Audience,
		known:    newMemo(caller.isKnown, callers, guesses, o.Now),
		rules: &rules{
			reviews: o.SubjectAccessReviews, resource: o.Resource,
			outage:      &outage{log: o.Log, resource: "subjectaccessreviews.authorization.k8s.io"},
			authorizers: &outage{log: o.Log, resource: "subjectaccessreviews.authorization.k8s.io"},
			remembered:  newMemo(func(allowed bool) bool { return allowed }, rulings, denials, o.Now),
		},
		limits: limits,
		outage: &outage{log: o.Log, resource: "tokenreviews.authentication.k8s.io"},
	}, nil
}

// caller is who a token belongs to; of a token that is not good, nobody.
type caller struct {
	authenticationv1.UserInfo
}

func (c caller) isKnown() bool { return c.Username != "" }

type callerKey struct{}

// Authenticate identifies the sender of r by its bearer token; the context carries the caller to the other methods.
// It counts as one request of the caller, or of the address as long as there is none, and as under way until the context
// of r ends.
func (t *Tokens) Authenticate(r *http.Request) (context.Context, error) {
	token, problem := bearerToken(r.Header)
	hash := sha256.Sum256([]byte(token))
	who, remembered := t.known.get(hash)
	if problem != nil || !remembered || !who.isKnown() {
		// Only who is known has a name to be counted under. A guessed token must not cost the API server much.
		if err := t.limits.address(r.RemoteAddr); err != nil {
			return nil, err
		}
	}
	if problem != nil {
		return nil, problem
	}
	who, err := t.known.ask(r.Context(), hash, func(ctx context.Context) (caller, error) { return t.review(ctx, token) })
	if err != nil {
		return nil, err
	}
	if !who.isKnown() {
		return nil, apierrors.NewUnauthorized("the token was not accepted: it is expired, revoked, malformed or " + t.wanted() +
			", or the API server could not check it; get a new one, for a ServiceAccount by kubectl create token")
	}
	if err := t.limits.user(who.Username); err != nil {
		return nil, err
	}
	if err := t.limits.hold(r.Context(), who.Username); err != nil {
		return nil, err
	}
	return context.WithValue(r.Context(), callerKey{}, who), nil
}

func (t *Tokens) wanted() string {
	if t.audience == "" {
		return "not for the audience of the API server"
	}
	return "not for the audience " + t.audience
}

// review asks the API server whose token it is.
func (t *Tokens) review(ctx context.Context, token string) (caller, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if t.audience != "" {
		review.Spec.Audiences = []string{t.audience}
	}
	answer, err := t.reviews.Create(ctx, review, metav1.CreateOptions{})
	if err := t.outage.of(err); err != nil {
		return caller{}, err
	}
	// A problem of the API server's own, such as an identity provider that is away, is in status.error, and so is what is
	// wrong with a bad token: they cannot be told apart.
	// An API server that knows nothing of audiences names none, and its yes means nothing here.
	forUs := t.audience == "" || slices.Contains(answer.Status.Audiences, t.audience)
	if !answer.Status.Authenticated || !forUs {
		return caller{}, nil
	}
	return caller{answer.Status.User}, nil
}

// Caller names who asks; "" where nobody is identified.
func (t *Tokens) Caller(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who.Username
}

// Namespaces returns those of namespaces in which the caller may do verb (list, get, patch) to all objects.
func (t *Tokens) Namespaces(ctx context.Context, verb string, namespaces []string) ([]string, error) {
	who, err := identified(ctx)
	if err != nil {
		return nil, err
	}
	return t.rules.namespaces(ctx, who, verb, namespaces)
}

// Object tells whether the caller may do verb to one object.
func (t *Tokens) Object(ctx context.Context, verb, namespace, name string) (bool, error) {
	who, err := identified(ctx)
	if err != nil {
		return false, err
	}
	return t.rules.object(ctx, who, verb, namespace, name)
}

// Path tells whether the caller may do verb (a lower case HTTP method) to a nonResourceURL.
func (t *Tokens) Path(ctx context.Context, verb, path string) (bool, error) {
	who, err := identified(ctx)
	if err != nil {
		return false, err
	}
	return t.rules.path(ctx, who, verb, path)
}

func identified(ctx context.Context) (caller, error) {
	who, _ := ctx.Value(callerKey{}).(caller)
	if !who.isKnown() {
		return caller{}, apierrors.NewUnauthorized("nobody was identified for this request")
	}
	return who, nil
}

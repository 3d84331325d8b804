// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// defaultWait is as long as a load may take, maxWait as long as anybody may wait.
	defaultWait = 30 * time.Second
	maxWait     = 5 * time.Minute
	// margin is how much longer than its waiting an answer may take: no less than the
	// server gives to what waits for nothing.
	margin = 2 * time.Minute
	// maxAsked is of how many Extensions it is asked one by one whether the caller may patch them.
	maxAsked = 50
)

// ReloadBody says what to reload.
type ReloadBody struct {
	ExtensionType kind    `json:"extension_type" doc:"Type of the extension"`
	Name          label   `json:"name" doc:"Name of the extension"`
	Version       version `json:"version,omitempty" doc:"Only what is loaded in this version"`
	Namespace     label   `json:"namespace,omitempty" doc:"Only for Extensions of this namespace"`
}

// ReloadQuery asks for a reload.
type ReloadQuery struct {
	Wait duration `query:"wait" doc:"How long to wait for the outcome, at most 5m; 30s where it is not given, 0 to be answered at once"`
	Body ReloadBody
}

// Accepted is the envelope of what was asked for and is not done yet.
type Accepted struct {
	Success bool     `json:"success" enum:"true" doc:"Always true"`
	Data    string   `json:"data" doc:"What happens next, and where to look"`
	Details []Detail `json:"details,omitempty" nullable:"false" doc:"What is not reloaded yet, at most 20 Extensions"`
}

// reloaded is the output of a reload.
type reloaded struct {
	Status   int
	Location string `header:"Location" hidden:"true"`
	Body     Accepted
}

func (a *API) registerReload() {
	register(a, operation{
		method: http.MethodPost, path: base + "/reload", id: "reload", summary: "Load an extension again",
		description: "Asks every Extension that it concerns and that you may patch to reload: those that ask for it, and, where it was only loaded as a dependency, " +
			"those that depend on it. Waits for the outcome.",
		success: reflect.TypeFor[Success[string]](), accepted: reflect.TypeFor[Accepted](),
		failures: []int{
			http.StatusBadRequest, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusGatewayTimeout,
		},
		within: huma.Middlewares{onlyJSON, patient},
	}, a.reload)
}

// onlyJSON lets a browser send nothing here from another site's page without asking first,
// which is never allowed.
func onlyJSON(ctx huma.Context, next func(huma.Context)) {
	mediaType, _, err := mime.ParseMediaType(ctx.Header("Content-Type"))
	if err != nil || mediaType != jsonType {
		writeFailure(ctx, fail(http.StatusUnsupportedMediaType, "the body must be JSON and say so; send the header Content-Type: %s", jsonType))
		return
	}
	next(ctx)
}

// patience is a key of the context.
type patience struct{}

// patient keeps the way to more time than the server gives.
func patient(ctx huma.Context, next func(huma.Context)) {
	next(huma.WithValue(ctx, patience{}, http.NewResponseController(response(ctx))))
}

// extend has the server not end the request, nor its answer, before wait is over.
func extend(ctx context.Context, wait time.Duration) {
	if control, has := ctx.Value(patience{}).(*http.ResponseController); has {
		end := time.Now().Add(wait + margin)
		_ = control.SetReadDeadline(end) // not all can, and then none was set either
		_ = control.SetWriteDeadline(end)
	}
}

func (a *API) reload(ctx context.Context, q *ReloadQuery) (*reloaded, error) {
	wish := extension.ReloadWish{
		Type: q.Body.ExtensionType.value(), Name: string(q.Body.Name), Version: string(q.Body.Version), Namespace: string(q.Body.Namespace),
	}
	targets, err := a.targets(ctx, wish)
	if err != nil {
		return nil, err
	}
	wait := q.Wait.value(defaultWait, maxWait)
	extend(ctx, wait)
	token := a.opts.Now().UTC().Format("2006-01-02T15:04:05.000Z") + "-" + rand.Text()[:10]
	a.opts.Log.Info("Reload requested", "by", a.opts.Guard.Caller(ctx), "extension", string(wish.Type)+"/"+wish.Name, "extensions", len(targets), "token", token)
	outcomes := a.opts.Inventory.Reload(ctx, wait, token, targets)
	return a.conclude(ctx, wish, token, outcomes)
}

// targets are the Extensions that a reload concerns and that the caller may patch.
func (a *API) targets(ctx context.Context, wish extension.ReloadWish) ([]extension.ReloadTarget, error) {
	all, err := a.opts.Inventory.Concerned(ctx, wish)
	if err != nil {
		return nil, err
	}
	allowed, err := a.patchable(ctx, all)
	if err != nil {
		return nil, err
	}
	if len(allowed) == 0 {
		return nil, a.refused(ctx, wish, all)
	}
	return needed(allowed), nil
}

// refused says why nothing is reloaded. Who may do nothing in the namespaces that it is
// about is told the same whether there is something in them or not.
func (a *API) refused(ctx context.Context, wish extension.ReloadWish, all []extension.ReloadTarget) error {
	namespaces := namespacesOf(all)
	if wish.Namespace != "" {
		namespaces = []string{wish.Namespace}
	}
	known, err := a.known(ctx, namespaces)
	if err != nil {
		return err
	}
	if wish.Namespace == "" && !known || known && len(all) == 0 {
		return a.nobody(ctx, wish)
	}
	return fail(http.StatusForbidden, "you may patch none of the Extensions that %s/%s concerns; ask for a Role with that verb, such as extension-editor, in their namespace; "+
		"one that names Extensions counts where at most %d are concerned, so name a namespace and a version too", wish.Type, wish.Name, maxAsked)
}

// known tells whether the caller may know what any of namespaces has.
func (a *API) known(ctx context.Context, namespaces []string) (bool, error) {
	for _, verb := range []string{"list", "patch"} {
		some, err := a.opts.Guard.Namespaces(ctx, verb, namespaces)
		if err != nil || len(some) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// namespacesOf are those of targets, which are sorted by them.
func namespacesOf(all []extension.ReloadTarget) []string {
	namespaces := make([]string, 0, len(all))
	for _, target := range all {
		namespaces = append(namespaces, target.Namespace)
	}
	return slices.Compact(namespaces)
}

// patchable asks for whole namespaces first: most callers may patch all of one, or nothing.
// Of the rest it asks one by one, as long as that is no flood of questions.
func (a *API) patchable(ctx context.Context, all []extension.ReloadTarget) ([]extension.ReloadTarget, error) {
	whole, err := a.opts.Guard.Namespaces(ctx, "patch", namespacesOf(all))
	if err != nil {
		return nil, err
	}
	granted := func(target extension.ReloadTarget) bool { return slices.Contains(whole, target.Namespace) }
	ask := len(slices.DeleteFunc(slices.Clone(all), granted)) <= maxAsked
	var allowed []extension.ReloadTarget
	for _, target := range all {
		may := granted(target)
		if !may && ask {
			if may, err = a.opts.Guard.Object(ctx, "patch", target.Namespace, target.Name); err != nil {
				return nil, err
			}
		}
		if may {
			allowed = append(allowed, target)
		}
	}
	return allowed, nil
}

// needed leaves out those that only depend on what others of them ask for themselves,
// in the very same content.
func needed(all []extension.ReloadTarget) []extension.ReloadTarget {
	own := map[extension.Content]bool{}
	for _, target := range all {
		if target.Own {
			own[target.Contents[0]] = true
		}
	}
	return slices.DeleteFunc(all, func(target extension.ReloadTarget) bool {
		return !target.Own && !slices.ContainsFunc(target.Contents, func(c extension.Content) bool { return c.Digest == "" || !own[c] })
	})
}

// maxHints is how many names a hint lists.
const maxHints = 10

// nobody says that no Extension is concerned, and what the caller could have meant.
func (a *API) nobody(ctx context.Context, wish extension.ReloadWish) error {
	what, where := string(wish.Type)+"/"+wish.Name, "any namespace"
	if wish.Version != "" {
		what += "@" + wish.Version
	}
	if wish.Namespace != "" {
		where = "namespace " + wish.Namespace
	}
	failure := fail(http.StatusNotFound, "no Extension in %s asks for %s or is loaded with it", where, what)
	failure.Reason = string(extension.ExtensionNotFound)
	namespaces, err := a.visible(ctx, "")
	if err != nil {
		return failure
	}
	rows, err := a.opts.Inventory.Loaded(ctx, namespaces)
	if err != nil {
		return failure
	}
	var loaded []string
	for _, row := range filter(rows, kind(wish.Type), "", "") {
		if row.Key.Name == wish.Name {
			loaded = append(loaded, row.Key.String())
			continue
		}
		loaded = append(loaded, row.Key.Name)
	}
	slices.Sort(loaded)
	loaded = slices.Compact(loaded)
	if len(loaded) > 0 {
		failure.Message += "; loaded of this type: " + strings.Join(loaded[:min(len(loaded), maxHints)], ", ")
	}
	failure.Message += fmt.Sprintf("; GET %s/loaded lists all, and an Extension that asks for it has it loaded", base)
	return failure
}

// conclude says what came of it: a Failure if anything failed, 202 if anything waits.
func (a *API) conclude(ctx context.Context, wish extension.ReloadWish, token string, outcomes []extension.ReloadOutcome) (*reloaded, error) {
	of := map[extension.ReloadState][]extension.ReloadOutcome{}
	for _, outcome := range outcomes {
		of[outcome.State] = append(of[outcome.State], outcome)
	}
	bad := slices.Concat(of[extension.ReloadFailed], of[extension.ReloadRefused])
	waiting := slices.Concat(of[extension.ReloadPending], of[extension.ReloadSuspended])
	out := &reloaded{Status: http.StatusOK, Body: Accepted{Success: true}}
	switch {
	case len(bad) > 0:
		return nil, a.failed(ctx, bad, waiting)
	case len(waiting) > 0:
		out.Status = http.StatusAccepted
		out.Location = base + "/loaded/" + string(wish.Type) + "/" + wish.Name
		out.Body.Data, out.Body.Details = later(wish, token, waiting, of), a.details(ctx, waiting)
	case len(of[extension.Reloaded]) > 0:
		out.Body.Data = fmt.Sprintf("Extension %s reloaded", wish.Name)
	default:
		return nil, fail(http.StatusNotFound, "every Extension that %s/%s concerned was deleted meanwhile", wish.Type, wish.Name)
	}
	return out, nil
}

// later says what is not done yet, and where to look.
func later(wish extension.ReloadWish, token string, waiting []extension.ReloadOutcome, of map[extension.ReloadState][]extension.ReloadOutcome) string {
	text := fmt.Sprintf("Extension %s is being reloaded", wish.Name)
	if len(of[extension.Reloaded]) > 0 {
		text = fmt.Sprintf("Extension %s reloaded for %d of %d", wish.Name, len(of[extension.Reloaded]), len(of[extension.Reloaded])+len(waiting))
	}
	first := waiting[0]
	if len(of[extension.ReloadSuspended]) == len(waiting) {
		return text + fmt.Sprintf("; %s/%s is suspended and reloads once spec.suspend is removed", first.Namespace, first.Name)
	}
	return text + fmt.Sprintf("; unless a later reload takes its place, wait with: kubectl --namespace %s wait extension %s --for=jsonpath='{.status.lastHandledReloadAt}'=%s",
		first.Namespace, first.Name, token)
}

// failed is the Failure of the first that failed, with what became of the others.
func (a *API) failed(ctx context.Context, bad, waiting []extension.ReloadOutcome) *Failure {
	first := bad[0]
	failure := fail(first.Reason.HTTPStatus(), "%s/%s: %s", first.Namespace, first.Name, first.Message)
	failure.Reason = string(first.Reason)
	if first.Err != nil {
		failure = a.failure(ctx, first.Err)
		failure.Message = fmt.Sprintf("%s/%s: %s", first.Namespace, first.Name, failure.Message)
	}
	failure.Details = a.details(ctx, slices.Concat(bad, waiting))
	return failure
}

func (a *API) details(ctx context.Context, outcomes []extension.ReloadOutcome) []Detail {
	outcomes = outcomes[:min(len(outcomes), maxDetails)]
	list := make([]Detail, 0, len(outcomes))
	for _, o := range outcomes {
		d := Detail{Namespace: o.Namespace, Name: o.Name, State: string(o.State), Reason: string(o.Reason), Message: clip(o.Message)}
		if o.Err != nil {
			failure := a.failure(ctx, o.Err)
			d.Reason, d.Message = failure.Reason, clip(failure.Message)
		}
		list = append(list, d)
	}
	return list
}

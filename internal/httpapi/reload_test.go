// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestReloadIsToTheLetter(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	out := d.call(t, "POST", extensions+"/reload", `{"extension_type": "TaskServ", "name": "kubernetes"}`)
	g.Expect(out.Code).To(Equal(200))
	g.Expect(out.Body.String()).To(Equal("{\"success\":true,\"data\":\"Extension kubernetes reloaded\"}\n"))
	g.Expect(d.stock.reloaded).To(Equal([]string{"team-a/kubernetes"}))
	g.Expect(d.stock.patience).To(Equal(30 * time.Second))
	g.Expect(d.log.String()).To(ContainSubstring(`"by"="alice"`))
}

func TestReloadWaitsAsLongAsItIsTold(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "0s": 0, "250ms": 250 * time.Millisecond, "2m": 2 * time.Minute, "900m": 5 * time.Minute, "": 30 * time.Second} {
		d := newDesk(t)
		NewWithT(t).Expect(d.call(t, "POST", extensions+"/reload?wait="+text, good).Code).To(Equal(200), text)
		NewWithT(t).Expect(d.stock.patience).To(Equal(want), text)
	}
}

func TestReloadActsOnWhatTheCallerMayPatch(t *testing.T) {
	three := []extension.ReloadTarget{
		target("team-a", "kubernetes", "kubernetes", "1.28.0"), target("team-a", "other", "kubernetes", "1.28.0"), target("team-b", "kubernetes", "kubernetes", "1.28.0"),
	}
	three[1].Own = true
	for name, c := range map[string]struct {
		may  []string
		body string
		want []string
	}{
		"all":            {nil, good, []string{"team-a/kubernetes", "team-a/other", "team-b/kubernetes"}},
		"a namespace":    {[]string{"patch team-b"}, good, []string{"team-b/kubernetes"}},
		"one of them":    {[]string{"patch team-a/other"}, good, []string{"team-a/other"}},
		"that it names":  {nil, `{"extension_type": "taskserv", "name": "kubernetes", "namespace": "team-b"}`, []string{"team-b/kubernetes"}},
		"none of them":   {[]string{"list team-a", "list team-b"}, good, nil},
		"not what it is": {[]string{"patch team-a"}, `{"extension_type": "taskserv", "name": "kubernetes", "namespace": "team-b"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDesk(t)
			d.stock.targets, d.guard.may = three, c.may
			out := d.call(t, "POST", extensions+"/reload", c.body)
			g.Expect(d.stock.reloaded).To(Equal(c.want))
			if c.want == nil {
				g.Expect(out.Code).To(Equal(403))
				g.Expect(out.Error).To(ContainSubstring("you may patch none of the Extensions that taskserv/kubernetes concerns"))
			}
		})
	}
}

func TestNobodyLearnsWhatOthersHaveByReloading(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	d.stock.targets = []extension.ReloadTarget{target("team-a", "secret", "secret", "1.0.0"), target("team-b", "kubernetes", "kubernetes", "1.28.0")}
	ask := func(name, where string) reply {
		return d.call(t, "POST", extensions+"/reload", `{"extension_type": "taskserv", "name": "`+name+`"`+where+`}`)
	}
	for _, c := range []struct {
		may   []string
		where string
		code  int
	}{
		{[]string{"list team-b", "patch team-b"}, "", 404},
		{[]string{"list team-b", "patch team-b"}, `, "namespace": "team-a"`, 403},
		{[]string{}, "", 404},
		{[]string{}, `, "namespace": "team-a"`, 403},
	} {
		d.guard.may = c.may
		there, not := ask("secret", c.where), ask("absent", c.where)
		g.Expect(there.Code).To(Equal(c.code), "%v%s", c.may, c.where)
		g.Expect(there.Body.String()).To(Equal(strings.ReplaceAll(not.Body.String(), "absent", "secret")))
		g.Expect(not.Code).To(Equal(c.code))
	}
	d.guard.may = []string{"list team-a"}
	g.Expect(ask("secret", "").Code).To(Equal(403), "what the caller may list is no secret")
	g.Expect(ask("absent", `, "namespace": "team-a"`).Code).To(Equal(404))
	d.guard.may = []string{"patch team-a"}
	g.Expect(ask("absent", `, "namespace": "team-a"`).Code).To(Equal(404))
	g.Expect(d.stock.reloaded).To(BeEmpty())
}

func TestAReloadAsksNoFloodOfQuestions(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	d.stock.targets = []extension.ReloadTarget{target("team-a", "kubernetes", "kubernetes", "1.28.0")}
	for i := range 3000 {
		d.stock.targets = append(d.stock.targets, target("team-b", fmt.Sprintf("k-%04d", i), "kubernetes", "1.28.0"))
		d.stock.targets[i+1].Own = true
	}
	d.guard.may = []string{"list team-b", "patch team-b/k-0000"}
	out := d.call(t, "POST", extensions+"/reload", good)
	g.Expect(out.Code).To(Equal(403))
	g.Expect(out.Error).To(ContainSubstring("name a namespace"))
	g.Expect(len(d.guard.asked)).To(BeNumerically("<", 10))
	d.guard.may, d.guard.asked = []string{"patch team-a", "patch team-b/k-0000"}, nil
	g.Expect(d.call(t, "POST", extensions+"/reload", good).Code).To(Equal(200))
	g.Expect(d.stock.reloaded).To(Equal([]string{"team-a/kubernetes"}))
	d.stock.targets, d.stock.reloaded = d.stock.targets[:51], nil // one whole namespace, and 50 to ask about
	g.Expect(d.call(t, "POST", extensions+"/reload", good).Code).To(Equal(200))
	g.Expect(d.stock.reloaded).To(Equal([]string{"team-a/kubernetes", "team-b/k-0000"}))
}

func TestAnAnswerMayTakeNoLessTimeThanTheServerGives(t *testing.T) {
	d := newDesk(t)
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, extensions+"/reload?wait=0", strings.NewReader(good))
	r.Header.Set("Content-Type", "application/json")
	d.handler.ServeHTTP(w, r)
	NewWithT(t).Expect(w.Code).To(Equal(200))
	NewWithT(t).Expect(time.Until(w.end)).To(BeNumerically("~", 2*time.Minute, 10*time.Second))
}

// timed knows until when it may be written to.
type timed struct {
	*httptest.ResponseRecorder
	end time.Time
}

func (w *timed) SetWriteDeadline(end time.Time) error {
	w.end = end
	return nil
}

func TestDependentsReloadWhatNobodyAsksFor(t *testing.T) {
	own := target("team-a", "etcd", "etcd", "3.5.9")
	same, older := target("team-a", "kubernetes", "etcd", "3.5.9"), target("team-b", "old", "etcd", "3.4.0")
	changed, unknown := target("team-b", "changed", "etcd", "3.5.9"), target("team-b", "unknown", "etcd", "3.5.9")
	changed.Contents[0].Digest, unknown.Contents[0].Digest = "sha256:bb", ""
	for name, c := range map[string]struct {
		targets []extension.ReloadTarget
		want    []string
	}{
		"own and same":     {[]extension.ReloadTarget{own, same}, []string{"team-a/etcd"}},
		"own and another":  {[]extension.ReloadTarget{own, same, older}, []string{"team-a/etcd", "team-b/old"}},
		"own and changed":  {[]extension.ReloadTarget{own, same, changed}, []string{"team-a/etcd", "team-b/changed"}},
		"own and unknown":  {[]extension.ReloadTarget{own, unknown}, []string{"team-a/etcd", "team-b/unknown"}},
		"only as a demand": {[]extension.ReloadTarget{same, older}, []string{"team-a/kubernetes", "team-b/old"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDesk(t)
			d.stock.targets = c.targets
			out := d.call(t, "POST", extensions+"/reload", `{"extension_type": "taskserv", "name": "etcd"}`)
			g.Expect(out.Code).To(Equal(200))
			g.Expect(d.stock.reloaded).To(Equal(c.want))
		})
	}
}

func TestNothingToReloadIsNotFoundWithHints(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	d.guard.may = []string{"list team-a"}
	out := d.call(t, "POST", extensions+"/reload", `{"extension_type": "taskserv", "name": "kubernets", "version": "1.0.0", "namespace": "team-a"}`)
	g.Expect(out.Code).To(Equal(404))
	g.Expect(out.Reason).To(Equal("ExtensionNotFound"))
	g.Expect(out.Error).To(And(ContainSubstring("no Extension in namespace team-a asks for taskserv/kubernets@1.0.0"),
		ContainSubstring("loaded of this type: etcd, kubernetes;"), ContainSubstring("GET /api/v1/extensions/loaded"), Not(ContainSubstring("aws"))))
}

func TestTheOutcomeOfAReload(t *testing.T) {
	resource := schema.GroupResource{Resource: "extensions"}
	for name, c := range map[string]struct {
		states     map[string]extension.ReloadOutcome
		code       int
		reason     string
		text       string
		details    int
		hasAddress bool
	}{
		"failed": {map[string]extension.ReloadOutcome{"b": {State: extension.ReloadFailed, Reason: extension.LoadFailed, Message: "mod.nu:3 unclosed {"}},
			422, "LoadFailed", "team-a/b: mod.nu:3 unclosed {", 1, false},
		"not found": {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadFailed, Reason: extension.VersionNotFound, Message: "gone"}}, 404, "VersionNotFound", "team-a/a: gone", 1, false},
		"conflict":  {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadRefused, Err: apierrors.NewConflict(resource, "a", errors.New("changed"))}}, 409, "Conflict", "team-a/a: ", 1, false},
		"away":      {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadRefused, Err: errAway}}, 500, "InternalError", "team-a/a: ", 1, false},
		"unreachable": {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadRefused, Err: &url.Error{Op: "Patch", URL: "https://10.0.0.1/secret detail", Err: &net.OpError{Op: "dial", Err: errAway}}}},
			503, "ServiceUnavailable", "team-a/a: the Kubernetes API server cannot be reached", 1, false},
		"pending": {map[string]extension.ReloadOutcome{"b": {State: extension.ReloadPending, Reason: extension.NushellUnavailable, Message: "no nu"}}, 202, "", "reloaded for 2 of 3; unless a later reload takes its place, wait with: kubectl --namespace team-a wait extension b --for=jsonpath='{.status.lastHandledReloadAt}'=2026-05-04T10:00:00.000Z-", 1, true},
		"suspended": {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadSuspended}, "b": {State: extension.ReloadSuspended}, "c": {State: extension.ReloadSuspended}},
			202, "", "team-a/a is suspended", 3, true},
		"gone":     {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadGone}}, 200, "", "Extension etcd reloaded", 0, false},
		"all gone": {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadGone}, "b": {State: extension.ReloadGone}, "c": {State: extension.ReloadGone}}, 404, "NotFound", "deleted meanwhile", 0, false},
		"mixed": {map[string]extension.ReloadOutcome{"a": {State: extension.ReloadPending}, "b": {State: extension.ReloadFailed, Reason: extension.LoadFailed, Message: "bad"}},
			422, "LoadFailed", "team-a/b: bad", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDesk(t)
			d.stock.targets = []extension.ReloadTarget{target("team-a", "a", "etcd", "3.4.0"), target("team-a", "b", "etcd", "3.4.0"), target("team-a", "c", "etcd", "3.4.0")}
			d.stock.outcome = func(t extension.ReloadTarget) extension.ReloadOutcome {
				if o, has := c.states[t.Name]; has {
					return o
				}
				return extension.ReloadOutcome{State: extension.Reloaded}
			}
			out := d.call(t, "POST", extensions+"/reload", `{"extension_type": "taskserv", "name": "etcd"}`)
			g.Expect(out.Code).To(Equal(c.code), out.Body.String())
			g.Expect(out.Reason).To(Equal(c.reason))
			g.Expect(out.Error + string(out.Data)).To(ContainSubstring(c.text))
			g.Expect(out.Details).To(HaveLen(c.details))
			g.Expect(out.Body.String()).NotTo(ContainSubstring("secret detail"))
			g.Expect(out.Header().Get("Location") == "/api/v1/extensions/loaded/taskserv/etcd").To(Equal(c.hasAddress))
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	ours "provisioning.dev/extension-operator/internal/status"
)

func TestTransition(t *testing.T) {
	loaded := good("1.28.0", "a", noon)
	newer := good("1.29.0", "b", noon)
	edited := good("1.28.0", "b", noon)
	reloaded := good("1.28.0", "a", noon)
	reloaded.Token = "token-1"
	loading := ours.Outcome{Loading: true, Resolution: resolution("1.28.0", "a"), Now: noon}
	current := ours.Outcome{Current: true, Resolution: resolution("1.28.0", "a"), InputDigest: digest("a"), Now: noon}
	suspended := ours.Outcome{Suspended: true, Now: noon}
	broken := failure(extension.NewFault(extension.LoadFailed, "it does not parse"))
	missing := failure(extension.NewFault(extension.VersionNotFound, "it is not there"))
	again := failure(extension.NewFault(extension.LoadFailed, "it does not parse either"))
	brokenReload := failure(extension.NewFault(extension.LoadFailed, "it does not parse"))
	brokenReload.Token = "token-1"

	good := func(key string) *ours.Event {
		return &ours.Event{Type: "Normal", Reason: "Loaded", Message: "loaded " + key}
	}
	bad := func(reason, message string) *ours.Event {
		return &ours.Event{Type: "Warning", Reason: reason, Message: message}
	}
	for name, c := range map[string]struct {
		steps []ours.Outcome // the last is the one in question
		event *ours.Event
	}{
		"the first load":                     {[]ours.Outcome{loaded}, good("taskserv:kubernetes:1.28.0")},
		"the first load, slowly: begin":      {[]ours.Outcome{loading}, nil},
		"the first load, slowly: end":        {[]ours.Outcome{loading, loaded}, good("taskserv:kubernetes:1.28.0")},
		"a newer version":                    {[]ours.Outcome{loaded, newer}, good("taskserv:kubernetes:1.29.0")},
		"other content":                      {[]ours.Outcome{loaded, edited}, good("taskserv:kubernetes:1.28.0")},
		"the same again":                     {[]ours.Outcome{loaded, loaded}, nil},
		"still current":                      {[]ours.Outcome{loaded, current}, nil},
		"a reload of the same":               {[]ours.Outcome{loaded, reloaded}, good("taskserv:kubernetes:1.28.0")},
		"a failure":                          {[]ours.Outcome{broken}, bad("LoadFailed", "it does not parse")},
		"a failure after a good one":         {[]ours.Outcome{loaded, broken}, bad("LoadFailed", "it does not parse")},
		"another failure":                    {[]ours.Outcome{broken, missing}, bad("VersionNotFound", "it is not there")},
		"the same failure":                   {[]ours.Outcome{broken, broken}, nil},
		"the same reason in other words":     {[]ours.Outcome{broken, again}, nil},
		"a reload that fails as before":      {[]ours.Outcome{broken, brokenReload}, bad("LoadFailed", "it does not parse")},
		"the end of a failure":               {[]ours.Outcome{loaded, broken, current}, good("taskserv:kubernetes:1.28.0")},
		"suspended with something loaded":    {[]ours.Outcome{loaded, suspended}, nil},
		"suspended before the first load":    {[]ours.Outcome{suspended}, &ours.Event{Type: "Normal", Reason: "Suspended", Message: "suspended before the first load; set spec.suspend to false to load"}},
		"a load under way after a good one":  {[]ours.Outcome{loaded, loading}, nil},
		"suspended a second time is no news": {[]ours.Outcome{suspended, suspended}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			before, ext := newExtension(), newExtension()
			for _, o := range c.steps {
				before, ext = ext, after(g, ext, o)
			}
			event, worth := ours.Transition(before.Status, ext.Status)
			if c.event == nil {
				g.Expect(worth).To(BeFalse(), "%v", event)
				return
			}
			g.Expect(worth).To(BeTrue())
			g.Expect(event).To(Equal(*c.event))
		})
	}
}

func TestAStatusWithoutReadyIsNoNews(t *testing.T) {
	_, worth := ours.Transition(api.ExtensionStatus{}, api.ExtensionStatus{Version: "1.28.0"})
	NewWithT(t).Expect(worth).To(BeFalse())
}

func TestRefused(t *testing.T) {
	g := NewWithT(t)
	ext := after(g, newExtension(), good("1.28.0", "a", noon))
	ext.Generation = 2
	ext.Status.Conditions = append(ext.Status.Conditions, metav1.Condition{Type: "example.com/Approved", Status: metav1.ConditionTrue})
	later := noon.Add(time.Hour)

	refused := ext.DeepCopy()
	refused.Status = ours.Refused(ext, ours.Outcome{Now: later})
	g.Expect(summary(refused)).To(ContainElements("Ready=False/InternalError", "Stalled=True/InternalError"))
	g.Expect(refused.Status.Version).To(Equal("1.28.0"), "the last good load stays")
	expectInvariants(g, ext, refused, ours.Outcome{Now: later})
	g.Expect(condition(refused, api.ReadyCondition).Message).To(ContainSubstring("check that the installed CRD is that of the operator's version"))
	g.Expect(verdict(g, refused)).To(Equal(status.FailedStatus))

	g.Expect(ours.Refused(refused, ours.Outcome{Now: later.Add(time.Hour)})).To(Equal(refused.Status), "refused again, nothing is new")
}

// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/http"
	"strconv"
	"time"

	authnv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// The verbs; docs/audit.md says what each means.
const (
	verbLoad   = "load"
	verbReload = "reload"
	verbRefuse = "refuse"
	verbClear  = "clear"
	verbRun    = "run"
	verbLeave  = "leave"
	verbLose   = "lose"
)

const (
	// operator is the user of every event: nobody else does what they tell of.
	operator = "extension-operator"
	// cachePath is the cache's in the REST API, selfPath that of this record itself,
	// which no API offers. Events want one.
	cachePath = "/api/v1/extensions/cache"
	selfPath  = "/audit"
)

// Loaded records a load.
func (l *Log) Loaded(r extension.LoadRecord) {
	e := l.about(verbLoad, r.Asker, r.Began, r.Ended)
	notes := notes(e.Annotations)
	notes.member(r.Member, r.InputDigest)
	notes.process(r.Checked)
	notes.set("duration", r.Ended.Sub(r.Began).String())
	conclude(e, r.Fault)
	l.put(e)
}

// Recalled records nothing: no Nushell was started.
func (l *Log) Recalled(extension.RecallRecord) {}

// Reloaded records a reload token that was handled.
func (l *Log) Reloaded(r extension.VerdictRecord) { l.verdict(verbReload, r) }

// Refused records that an Extension was given up until something changes.
func (l *Log) Refused(r extension.VerdictRecord) { l.verdict(verbRefuse, r) }

func (l *Log) verdict(verb string, r extension.VerdictRecord) {
	e := l.about(verb, r.Asker, r.At, r.At)
	notes := notes(e.Annotations)
	notes.set("reference", r.Ref.String())
	notes.set("reload-token", r.Token)
	notes.member(r.Member, r.InputDigest)
	conclude(e, r.Fault)
	l.put(e)
}

// Cleared records that the cache was cleared.
func (l *Log) Cleared(r extension.ClearRecord) {
	e := l.event(verbClear, cachePath, r.At, r.At)
	notes := notes(e.Annotations)
	if r.By != "" {
		notes.set("asked-by", "user "+r.By)
	}
	if r.Key.Version != "" {
		notes.set("key", r.Key.String())
	}
	notes.set("entries", strconv.Itoa(r.Entries))
	notes.set("outcome", "Cleared")
	e.ResponseStatus = &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusOK}
	l.put(e)
}

// Ran records an attempt of an Installation that has ended.
func (l *Log) Ran(r extension.AttemptRecord) {
	e := l.onInstallation(verbRun, r.Namespace, r.Name, r.Began, r.Ended)
	notes := notes(e.Annotations)
	notes.set("purpose", r.Purpose)
	notes.set("attempt", strconv.Itoa(int(r.Number)))
	notes.set("version", r.Version)
	notes.set("content-digest", string(r.Content))
	notes.set("service-account", r.Account)
	notes.set("job", r.Job)
	notes.set("duration", r.Ended.Sub(r.Began).String())
	notes.set("outcome", r.Outcome)
	e.ResponseStatus = &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusOK}
	if r.Outcome != api.StepSucceeded {
		e.ResponseStatus = &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReason(r.Outcome), Message: extension.Clip(r.Message, maxText),
		}
	}
	l.put(e)
}

// LeftBehind records what stays of an Installation that was let go.
func (l *Log) LeftBehind(r extension.LeftRecord) {
	e := l.onInstallation(verbLeave, r.Namespace, r.Name, r.At, r.At)
	notes(e.Annotations).set("outcome", "LeftBehind")
	e.ResponseStatus = &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusConflict, Reason: "LeftBehind", Message: extension.Clip(r.Left, maxText),
	}
	l.put(e)
}

func (l *Log) onInstallation(verb, namespace, name string, began, ended time.Time) *auditv1.Event {
	e := l.on("installations", verb, namespace, name, began, ended)
	notes(e.Annotations).set("asked-by", "installation "+namespace+"/"+name)
	return e
}

// lostEvents tells how many events no line tells of.
func (l *Log) lostEvents(lost uint64) *auditv1.Event {
	now := l.opts.Now()
	e := l.event(verbLose, selfPath, now, now)
	number := strconv.FormatUint(lost, 10)
	notes(e.Annotations).set("lost", number)
	notes(e.Annotations).set("outcome", "Lost")
	e.ResponseStatus = &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInsufficientStorage, Reason: "EventsLost",
		Message: number + " audit events were lost before this one; the operator's log says why",
	}
	return e
}

// event is what all events have.
func (l *Log) event(verb, uri string, began, ended time.Time) *auditv1.Event {
	return &auditv1.Event{
		TypeMeta:                 metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Event"},
		Level:                    auditv1.LevelMetadata,
		AuditID:                  l.newID(),
		Stage:                    auditv1.StageResponseComplete,
		RequestURI:               uri,
		Verb:                     verb,
		User:                     authnv1.UserInfo{Username: operator},
		RequestReceivedTimestamp: metav1.NewMicroTime(began),
		StageTimestamp:           metav1.NewMicroTime(ended),
		Annotations:              map[string]string{},
	}
}

// on is an event about an object.
func (l *Log) on(resource, verb, namespace, name string, began, ended time.Time) *auditv1.Event {
	group := api.GroupVersion
	e := l.event(verb, "/apis/"+group.String()+"/namespaces/"+namespace+"/"+resource+"/"+name, began, ended)
	e.ObjectRef = &auditv1.ObjectReference{
		Resource: resource, Namespace: namespace, Name: name, APIGroup: group.Group, APIVersion: group.Version,
	}
	return e
}

// about is an event of something that was done for an Extension.
func (l *Log) about(verb string, asker extension.Asker, began, ended time.Time) *auditv1.Event {
	e := l.on("extensions", verb, asker.Namespace, asker.Name, began, ended)
	by := "extension " + asker.Namespace + "/" + asker.Name
	if asker.Dependent.Version != "" {
		by += ", as a dependency of " + asker.Dependent.String()
	}
	notes(e.Annotations).set("asked-by", by)
	return e
}

// conclude says how it went.
func conclude(e *auditv1.Event, fault *extension.Fault) {
	if fault == nil {
		notes(e.Annotations).set("outcome", api.LoadedReason)
		e.ResponseStatus = &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusOK}
		return
	}
	notes(e.Annotations).set("outcome", string(fault.Code))
	e.ResponseStatus = &metav1.Status{
		Status: metav1.StatusFailure, Code: int32(fault.HTTPStatus()), Reason: metav1.StatusReason(fault.Code),
		Message: extension.Clip(fault.Message, maxText),
	}
}

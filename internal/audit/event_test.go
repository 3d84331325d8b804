// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"provisioning.dev/extension-operator/internal/extension"
)

var (
	began = time.Date(2026, 5, 4, 12, 0, 0, 123456789, time.FixedZone("CEST", 2*3600))
	mine  = extension.Asker{Namespace: "team-a", Name: "etcd"}
	etcd  = extension.Member{
		Key:     extension.Key{Type: extension.Taskserv, Name: "etcd", Version: "3.5.9"},
		Catalog: "extensions", Path: "extensions/taskservs/etcd/3.5.9", Digest: hex("a"),
	}
	checked = extension.Checked{
		Toolchain:   extension.Toolchain{NushellVersion: "0.115.1", Nushell: hex("b"), Program: hex("c"), Protocol: 1},
		Enforcement: extension.Enforcement{Level: "Partial", Missing: []string{"landlock", "seccomp"}},
		Process: extension.Process{
			Argv: []string{
				"/usr/local/bin/nu", "--no-config-file", "--no-std-lib", "--no-history", "--error-style", "plain",
				"-c", "<program " + string(hex("c")) + ">",
			},
			CPU: 11 * time.Millisecond, Warm: true,
		},
	}
	goodLoad = extension.LoadRecord{
		Asker: mine, Member: etcd, InputDigest: hex("d"), Checked: checked, Began: began, Ended: began.Add(14500 * time.Microsecond),
	}
	refusal = extension.VerdictRecord{
		Asker: mine, Ref: extension.Ref{Type: extension.Taskserv, Name: "etcd", Constraint: "^4"}, At: began,
		Fault: extension.NewFault(extension.VersionNotFound, "version ^4 of taskserv etcd not found; available: 3.5.9"),
	}
)

func hex(digit string) extension.Digest {
	return extension.Digest("sha256:" + strings.Repeat(digit, 64))
}

// lines are what is written when a Log is told of something.
func lines(t *testing.T, tell func(*Log)) []string {
	t.Helper()
	var out bytes.Buffer
	l := New(Options{Out: open{&out}, Queue: 16, Log: logr.Discard(), Now: func() time.Time { return began }})
	l.newID = func() types.UID { return "6f2d3c1e-0000-4000-8000-000000000000" }
	tell(l)
	NewWithT(t).Expect(l.Start(ended(t))).To(Succeed())
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// decode reads a line as tools for audit.k8s.io/v1 do, and refuses what they do not know.
func decode(t *testing.T, line string) auditv1.Event {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	var event auditv1.Event
	NewWithT(t).Expect(decoder.Decode(&event)).To(Succeed(), line)
	return event
}

func annotation(e auditv1.Event, name string) string {
	return e.Annotations["extensions.provisioning.dev/"+name]
}

func TestTheDocumentedLineIsWhatAGoodLoadGives(t *testing.T) {
	g := NewWithT(t)
	written := lines(t, func(l *Log) { l.Loaded(goodLoad) })
	g.Expect(written).To(HaveLen(1))
	doc, err := os.ReadFile("../../docs/audit.md")
	g.Expect(err).NotTo(HaveOccurred())
	_, rest, found := strings.Cut(string(doc), "```json\n")
	g.Expect(found).To(BeTrue(), "docs/audit.md has an example")
	example, _, _ := strings.Cut(rest, "```")
	var one bytes.Buffer
	g.Expect(json.Compact(&one, []byte(example))).To(Succeed())
	g.Expect(one.String()).To(Equal(written[0]), "the same fields in the same order")
}

func TestEveryEventIsOneOfTheForm(t *testing.T) {
	failed := goodLoad
	failed.Asker.Dependent = extension.Key{Type: extension.Taskserv, Name: "kubernetes", Version: "1.28.0"}
	failed.Checked.Process.ExitCode = 1
	failed.Fault = extension.NewFault(extension.LoadFailed, "taskserv etcd 3.5.9 does not load: mod.nu:1:1: oh")
	unstaged := extension.LoadRecord{Asker: mine, Member: etcd, Began: began, Ended: began, Fault: extension.AsFault(os.ErrPermission)}
	reloaded := refusal
	reloaded.Fault, reloaded.Token, reloaded.Member, reloaded.InputDigest = nil, "now-1", etcd, hex("d")
	for name, c := range map[string]struct {
		tell                     func(*Log)
		verb, outcome, by, place string
		code                     int32
		message                  string
	}{
		"good load": {func(l *Log) { l.Loaded(goodLoad) }, "load", "Loaded", "extension team-a/etcd", "team-a/etcd", 200, ""},
		"failed load": {func(l *Log) { l.Loaded(failed) }, "load", "LoadFailed",
			"extension team-a/etcd, as a dependency of taskserv:kubernetes:1.28.0", "team-a/etcd", 422, "taskserv etcd 3.5.9 does not load: mod.nu:1:1: oh"},
		"load without a process": {func(l *Log) { l.Loaded(unstaged) }, "load", "InternalError", "extension team-a/etcd", "team-a/etcd", 500,
			"permission denied; the operator tries again, its log has more"},
		"reload":  {func(l *Log) { l.Reloaded(reloaded) }, "reload", "Loaded", "extension team-a/etcd", "team-a/etcd", 200, ""},
		"refusal": {func(l *Log) { l.Refused(refusal) }, "refuse", "VersionNotFound", "extension team-a/etcd", "team-a/etcd", 404, refusal.Fault.Message},
		"clear":   {func(l *Log) { l.Cleared(extension.ClearRecord{Entries: 7, At: began}) }, "clear", "Cleared", "", "", 200, ""},
		"clear by": {func(l *Log) {
			l.Cleared(extension.ClearRecord{Key: goodLoad.Member.Key, By: "alice", Entries: 7, At: began})
		},
			"clear", "Cleared", "user alice", "", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			written := lines(t, c.tell)
			g.Expect(written).To(HaveLen(1))
			e := decode(t, written[0])
			g.Expect(e.Kind + " " + e.APIVersion).To(Equal("Event audit.k8s.io/v1"))
			g.Expect(e.Level).To(Equal(auditv1.LevelMetadata))
			g.Expect(e.Stage).To(Equal(auditv1.StageResponseComplete))
			g.Expect(e.User.Username).To(Equal("extension-operator"))
			g.Expect(e.Verb).To(Equal(c.verb))
			g.Expect(e.ResponseStatus.Code).To(Equal(c.code))
			g.Expect(e.ResponseStatus.Message).To(Equal(c.message))
			g.Expect(e.ResponseStatus.Status).To(Equal(map[bool]string{true: "Success", false: "Failure"}[c.code == 200]))
			g.Expect(e.RequestReceivedTimestamp.Time).To(BeTemporally("==", began.Truncate(time.Microsecond)))
			g.Expect(annotation(e, "outcome")).To(Equal(c.outcome))
			g.Expect(annotation(e, "asked-by")).To(Equal(c.by))
			if c.place == "" {
				g.Expect(e.ObjectRef).To(BeNil())
				g.Expect(e.RequestURI).To(Equal("/api/v1/extensions/cache"))
				g.Expect(annotation(e, "entries")).To(Equal("7"))
				g.Expect(annotation(e, "key")).To(Equal(map[bool]string{true: goodLoad.Member.Key.String()}[c.by != ""]))
				return
			}
			g.Expect(e.ObjectRef.Namespace + "/" + e.ObjectRef.Name).To(Equal(c.place))
			g.Expect(e.RequestURI).To(Equal("/apis/extensions.provisioning.dev/v1alpha1/namespaces/team-a/extensions/etcd"))
		})
	}
	t.Run("details", func(t *testing.T) {
		g := NewWithT(t)
		written := lines(t, func(l *Log) { l.Loaded(failed); l.Loaded(unstaged); l.Reloaded(reloaded); l.Refused(refusal) })
		g.Expect(annotation(decode(t, written[0]), "exit-code")).To(Equal("1"))
		g.Expect(decode(t, written[1]).Annotations).NotTo(Or(
			HaveKey(HaveSuffix("/exit-code")), HaveKey(HaveSuffix("/argv")), HaveKey(HaveSuffix("/sandbox"))), "there was no process")
		g.Expect(annotation(decode(t, written[2]), "reload-token")).To(Equal("now-1"))
		g.Expect(annotation(decode(t, written[3]), "reference")).To(Equal("taskserv/etcd@^4"))
		g.Expect(decode(t, written[3]).Annotations).NotTo(HaveKey(HaveSuffix("/key")), "no version was found")
	})
}

func TestEventsOfInstallations(t *testing.T) {
	g := NewWithT(t)
	good := extension.AttemptRecord{
		Namespace: "team-a", Name: "db", Account: "db-installer", Purpose: "Apply", Outcome: "Succeeded", Number: 3,
		Version: "16.4.0", Content: hex("e"), Job: "db-0123", Began: began, Ended: began.Add(time.Minute),
	}
	bad := good
	bad.Outcome, bad.Message = "VerifyFailed", "Verify failed with exit code 1"
	written := lines(t, func(l *Log) {
		l.Ran(good)
		l.Ran(bad)
		l.LeftBehind(extension.LeftRecord{Namespace: "team-a", Name: "db", Left: "what postgresql installed is left behind", At: began})
	})
	g.Expect(written).To(HaveLen(3))
	for i, want := range []struct {
		verb, outcome, message string
		code                   int32
	}{
		{"run", "Succeeded", "", 200},
		{"run", "VerifyFailed", "Verify failed with exit code 1", 500},
		{"leave", "LeftBehind", "what postgresql installed is left behind", 409},
	} {
		e := decode(t, written[i])
		g.Expect([]string{e.Verb, annotation(e, "outcome"), e.ResponseStatus.Message}).To(Equal([]string{want.verb, want.outcome, want.message}))
		g.Expect(e.ResponseStatus.Code).To(Equal(want.code))
		g.Expect(e.ObjectRef.Resource + " " + e.ObjectRef.Namespace + "/" + e.ObjectRef.Name).To(Equal("installations team-a/db"))
		g.Expect(e.RequestURI).To(Equal("/apis/extensions.provisioning.dev/v1alpha1/namespaces/team-a/installations/db"))
		g.Expect(annotation(e, "asked-by")).To(Equal("installation team-a/db"))
	}
	e := decode(t, written[0])
	for name, want := range map[string]string{
		"purpose": "Apply", "attempt": "3", "version": "16.4.0", "content-digest": string(hex("e")), "service-account": "db-installer",
		"job": "db-0123", "duration": "1m0s",
	} {
		g.Expect(annotation(e, name)).To(Equal(want), name)
	}
}

func TestWhatOthersWroteIsBoundedAndOnOneLine(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("é\n\x00\xff<", 1<<16)
	r := goodLoad
	r.Asker = extension.Asker{Namespace: "team-a", Name: "etcd", Dependent: extension.Key{Name: long, Version: "1.0.0"}}
	r.Member.Catalog, r.Checked.Toolchain.NushellVersion = long, long
	r.Checked.Process.Argv = []string{long, long}
	for range 1000 {
		r.Checked.Process.Argv = append(r.Checked.Process.Argv, long)
	}
	r.Fault = extension.NewTransientFault(extension.LoadFailed, os.ErrClosed, "%s", long)
	v := refusal
	v.Token, v.Ref.Constraint, v.Fault = long, long, r.Fault
	written := lines(t, func(l *Log) { l.Loaded(r); l.Refused(v); l.Reloaded(v) })
	g.Expect(written).To(HaveLen(3))
	for _, line := range written {
		e := decode(t, line)
		g.Expect(len(line)).To(BeNumerically("<", 64<<10))
		g.Expect(len(extension.Clip(r.Fault.Message, maxText))).To(BeNumerically("<=", 1024))
		g.Expect(e.ResponseStatus.Message).To(HaveSuffix("…"))
	}
	var argv []string
	g.Expect(json.Unmarshal([]byte(annotation(decode(t, written[0]), "argv")), &argv)).To(Succeed())
	g.Expect(argv).To(HaveLen(16))
}

// The cause of a Fault is for the operator's log: it may hold what a process wrote.
func TestNoCauseAndNoEnvironmentIsTold(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("AUDIT_CANARY", "canary-5b1e")
	r, v := goodLoad, refusal
	r.Fault = extension.NewTransientFault(extension.LoadFailed, canaryError{}, "died")
	v.Fault = r.Fault
	all := strings.Join(lines(t, func(l *Log) {
		l.Loaded(r)
		l.Refused(v)
		l.Reloaded(v)
		l.Cleared(extension.ClearRecord{})
	}), "\n")
	g.Expect(all).NotTo(ContainSubstring("canary-5b1e"))
}

type canaryError struct{}

func (canaryError) Error() string { return os.Getenv("AUDIT_CANARY") }

// SPDX-License-Identifier: Apache-2.0

package step_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/step"
)

var digest = extension.Digest("sha256:" + strings.Repeat("0a", 32))

func member(kind extension.Type, name, version string) extension.Member {
	return extension.Member{Key: extension.Key{Type: kind, Name: name, Version: version}, Digest: digest}
}

func order() step.Order {
	o := step.Defaults()
	o.Step = step.Configure
	o.Members = []extension.Member{member(extension.Provider, "kube", "1.0.0"), member(extension.Taskserv, "hello", "1.0.0-rc.1")}
	o.Payload, o.Values, o.Work = "/payload", "/values", "/work"
	o.Namespace, o.Installation, o.UID = "default", "hello.web", "6f1c8e0a-0000-4000-8000-000000000001"
	o.Image = "registry.example:5000/extension-operator@sha256:" + strings.Repeat("0b", 32)
	return o
}

// What whoever makes a Job writes is what its containers read.
func TestArgumentsAreReadAsTheyAreWritten(t *testing.T) {
	name := rapid.StringMatching(`[a-z]([-a-z0-9]{0,8}[a-z0-9])?`)
	folder := rapid.StringMatching(`(/[a-z.-]{1,8}){1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		o := order()
		o.Step = rapid.SampledFrom([]step.Step{step.Configure, step.Install, step.Verify, step.Uninstall}).Draw(t, "step")
		o.Members = nil
		for i := range rapid.IntRange(1, 5).Draw(t, "members") {
			kind := rapid.SampledFrom(extension.Types()).Draw(t, "type")
			o.Members = append(o.Members, member(kind, fmt.Sprint(name.Draw(t, "name"), i), "1.2.3"))
		}
		o.Namespace, o.Installation = name.Draw(t, "namespace"), name.Draw(t, "installation")
		o.Payload, o.Work, o.Values = folder.Draw(t, "payload"), folder.Draw(t, "work"), folder.Draw(t, "values")
		o.Nushell, o.TerminationLog = folder.Draw(t, "nu"), folder.Draw(t, "log")
		o.HideOutput = rapid.Bool().Draw(t, "hide")
		o.Timeout = time.Duration(rapid.Int64Range(1, 1<<50).Draw(t, "timeout"))
		o.Sandbox = rapid.SampledFrom([]string{"require", "best-effort"}).Draw(t, "sandbox")
		o.Lenient = rapid.Bool().Draw(t, "lenient")
		if rapid.Bool().Draw(t, "digest") {
			o.ConfigDigest = digest
		}
		if rapid.Bool().Draw(t, "values digest") {
			o.ValuesDigest = digest
		}
		read, err := step.Parse(o.Args())
		if err != nil {
			t.Fatalf("%v: %v", o.Args(), err)
		}
		if fmt.Sprint(read) != fmt.Sprint(o) {
			t.Fatalf("have %v, want %v", read, o)
		}
	})
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	good := order().Args()
	with := func(more ...string) []string { return slices.Concat(good, more) }
	for says, args := range map[string][]string{
		"the first argument must be configure, install, verify or uninstall": nil,
		"the first argument must be configure":                               {"destroy"},
		"--member is missing":                                                {"install", "--payload=/p"},
		"flag provided but not defined: -shell":                              with("--shell=/bin/sh"),
		`"now" is no flag`:                                                   with("now"),
		"write it as taskserv:hello:1.0.0@sha256:":                           with("--member=taskserv:etcd:3.5.1"),
		"taskserv/hello is given twice":                                      with("--member=taskserv:hello:2.0.0@" + string(digest)),
		`--payload="relative" must be an absolute path`:                      with("--payload=relative"),
		"--work=\"/a'b\" must be an absolute path":                           with("--work=/a'b"),
		`--values="/a b" must be an absolute path`:                           with("--values=/a b"),
		`--nushell-path="" must be an absolute path`:                         with("--nushell-path="),
		`--namespace="Default" is no name`:                                   with("--namespace=Default"),
		`--installation="../x" is no name`:                                   with("--installation=../x"),
		`--uid="1" is no uid`:                                                with("--uid=1"),
		`--image="a b" is no reference`:                                      with("--image=a b"),
		`--config-digest="sha256:x" is no digest`:                            with("--config-digest=sha256:x"),
		`--values-digest="sha256:x" is no digest`:                            with("--values-digest=sha256:x"),
		"--timeout must be above 0":                                          with("--timeout=0s"),
		`invalid value "soon" for flag -timeout`:                             with("--timeout=soon"),
		`--sandbox="off" must be require or best-effort`:                     with("--sandbox=off"),
	} {
		t.Run(says, func(t *testing.T) {
			o, err := step.Parse(args)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(says)))
			NewWithT(t).Expect(o.TerminationLog).NotTo(BeEmpty(), "there is always somewhere to say so")
		})
	}
	for _, member := range []string{
		"taskserv:Hello:1.0.0@" + string(digest), "taskserv:hello:1.0@" + string(digest), "thing:hello:1.0.0@" + string(digest),
		"taskserv:hello:1.0.0@sha512:00", "taskserv:hello:1.0.0+b@" + string(digest), "hello", "",
	} {
		_, err := step.Parse(with("--member=" + member))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("write it as")), member)
	}
	_, err := step.Parse([]string{"--help"})
	NewWithT(t).Expect(err).To(MatchError(step.ErrHelp))
	NewWithT(t).Expect(step.Usage()).To(ContainSubstring("-config-digest DIGEST"))
}

func TestReportsAreReadAsTheyAreWritten(t *testing.T) {
	g := NewWithT(t)
	r := step.NewReport(step.Configure, "", "made 2 files and objects")
	r.ConfigDigest = digest
	r.Changes = map[string]extension.Digest{"files/a & <b>": digest, "objects/ConfigMap/x": digest}
	read, err := step.Decode(r.Encode(), step.Configure)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(r))
	g.Expect(string(r.Encode())).To(ContainSubstring("a & <b>"))
}

// Whatever is in a report, it fits and can be read, and what was left out is counted.
func TestEveryReportFits(t *testing.T) {
	reasons := []step.Reason{"", step.HookMissing, step.HookFailed, step.ConfigRefused, step.Interrupted}
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`["\\\x00<é]{0,1000}`))
	rapid.Check(t, func(t *rapid.T) {
		r := step.NewReport(step.Install, rapid.SampledFrom(reasons).Draw(t, "reason"), text.Draw(t, "message"))
		r.Changes = map[string]extension.Digest{}
		for range rapid.IntRange(0, 80).Draw(t, "changes") {
			r.Changes[text.Draw(t, "key")] = digest
		}
		encoded := r.Encode()
		if len(encoded) > step.MaxReport {
			t.Fatalf("%d bytes", len(encoded))
		}
		read, err := step.Decode(encoded, step.Install)
		if err != nil {
			t.Fatalf("%v: %s", err, encoded)
		}
		if len(read.Message) > 1<<10 || read.State != r.State {
			t.Fatalf("%s", encoded)
		}
		// A key that is no UTF-8 may come out as another's; then there are fewer.
		if len(read.Changes)+read.ChangesOmitted > len(r.Changes) {
			t.Fatalf("%d changes and %d omitted of %d", len(read.Changes), read.ChangesOmitted, len(r.Changes))
		}
	})
}

func TestAMessageThatIsNoReportIsRefused(t *testing.T) {
	good := string(step.NewReport(step.Verify, step.Timeout, "late").Encode())
	for name, text := range map[string]string{
		"nothing":            "",
		"words":              "OOMKilled",
		"cut":                good[:len(good)-2],
		"two":                good + good,
		"a field more":       strings.Replace(good, "{", `{"more":1,`, 1),
		"an unknown step":    strings.Replace(good, "verify", "destroy", 1),
		"an unknown reason":  strings.Replace(good, "Timeout", "Because", 1),
		"a wrong state":      strings.Replace(good, "Failed", "Succeeded", 1),
		"a wrong digest":     strings.Replace(good, "{", `{"configDigest":"x",`, 1),
		"another step":       string(step.NewReport(step.Install, step.Timeout, "late").Encode()),
		"a field twice":      strings.Replace(good, "{", `{"message":"early",`, 1),
		"a sentence as code": strings.Replace(good, "{", `{"code":"no room",`, 1),
		"a change of none":   strings.Replace(good, "{", `{"changes":{"files/a":"x"},`, 1),
		"an odd key":         strings.Replace(good, "{", `{"changes":{"a\u0007b":"`+string(digest)+`"},`, 1),
		"too many omitted":   strings.Replace(good, "{", `{"changesOmitted":2000000000,`, 1),
		"fewer than none":    strings.Replace(good, "{", `{"changesOmitted":-1,`, 1),
		"too long":           strings.Replace(good, "late", strings.Repeat("l", step.MaxReport), 1),
		"no text":            strings.Replace(good, "late", "\xff", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := step.Decode([]byte(text), step.Verify)
			NewWithT(t).Expect(err).To(MatchError(step.ErrNoReport))
		})
	}
}

func TestReasonsHaveAnExitCode(t *testing.T) {
	g := NewWithT(t)
	for reason, code := range map[step.Reason]int{
		"": 0, step.HookMissing: 0, step.HookFailed: 1, step.Timeout: 1, step.InvalidArguments: 2,
		step.PayloadRefused: 3, step.ConfigRefused: 3, step.Interrupted: 4, step.SandboxUnavailable: 4,
	} {
		g.Expect(reason.ExitCode()).To(Equal(code), string(reason))
	}
	var document map[string]any
	g.Expect(json.Unmarshal(step.NewReport(step.Verify, step.HookMissing, "").Encode(), &document)).To(Succeed())
	g.Expect(document).To(Equal(map[string]any{"step": "verify", "state": "Skipped", "reason": "HookMissing"}))
}

func TestReasonsAreDocumented(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../../docs/hooks.md")
	g.Expect(err).NotTo(HaveOccurred())
	documented := map[step.Reason]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| (\\d) \\|").FindAllStringSubmatch(string(text), -1) {
		code, err := strconv.Atoi(row[2])
		g.Expect(err).NotTo(HaveOccurred())
		documented[step.Reason(row[1])] = code
	}
	for _, reason := range step.Reasons() {
		g.Expect(documented).To(HaveKeyWithValue(reason, reason.ExitCode()))
	}
	g.Expect(documented).To(HaveLen(len(step.Reasons())))
}

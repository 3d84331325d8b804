// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

const goodAnswer = `{"protocol":1,"ok":true,"extension":{"type":"taskserv","name":"sample","version":"1.0.0"},"hooks":[]}`

// say is a loading program that prints a text and ends.
func say(text string) string { return "print --raw r####'" + text + "'####\nexit 0\n" }

// brokenPrograms are loading programs that a user may bring; each is run on a good extension.
var brokenPrograms = map[string]struct {
	program string
	code    extension.Code
	class   extension.Class
	message string
}{
	"prints nothing":    {"exit 0\n", extension.LoadFailed, extension.Terminal, "it printed nothing"},
	"ends early":        {"exit 3\n", extension.LoadFailed, extension.Terminal, "Nushell ended with exit code 3 and said no place"},
	"garbage":           {say("hello"), extension.LoadFailed, extension.Terminal, "its answer is not JSON (at byte 1)"},
	"half JSON":         {say(goodAnswer[:40]), extension.LoadFailed, extension.Terminal, "its answer ends in the middle of a JSON document"},
	"two documents":     {say(goodAnswer + "\n" + goodAnswer), extension.LoadFailed, extension.Terminal, "it printed more than one JSON document"},
	"duplicate keys":    {say(strings.Replace(goodAnswer, `"ok":true`, `"ok":false,"ok":true`, 1)), extension.LoadFailed, extension.Terminal, `its answer has the key "ok" twice`},
	"unknown field":     {say(strings.Replace(goodAnswer, `"ok":true`, `"ok":true,"Ok":true`, 1)), extension.LoadFailed, extension.Terminal, `answer has the unknown field "Ok"`},
	"another protocol":  {say(`{"protocol":2,"done":true}`), extension.LoadFailed, extension.Terminal, "its answer has protocol 2, this operator reads 1; use the provisioning folder of this release"},
	"another extension": {say(strings.Replace(goodAnswer, "sample", "other", 1)), extension.LoadFailed, extension.Terminal, `it answered for "taskserv:other:1.0.0" instead`},
	"another version":   {say(strings.Replace(goodAnswer, "1.0.0", "1.0.1", 1)), extension.LoadFailed, extension.Terminal, `it answered for "taskserv:sample:1.0.1" instead`},
	"not UTF-8":         {"0x[22 ff 22] | print --raw\nexit 0\n", extension.LoadFailed, extension.Terminal, "its answer is not UTF-8"},
	"good, but fails":   {strings.Replace(say(goodAnswer), "exit 0", "exit 1", 1), extension.LoadFailed, extension.Terminal, "it ended with exit code 1, which contradicts its answer"},
	"bad, but succeeds": {say(`{"protocol":1,"ok":false,"error":{"code":"LoadFailed","message":"x","diagnostics":[]}}`), extension.LoadFailed, extension.Terminal, "it ended with exit code 0, which contradicts its answer"},
	"1 GiB":             {"let x = '' | fill --width 65536\nfor _ in 1..16384 { print --raw $x }\nexit 0\n", extension.LoadFailed, extension.Terminal, "the limit of standard output (1048576 bytes): its answer is too long"},
	"floods errors":     {"let x = '' | fill --width 65536\nfor _ in 1..16384 { print --stderr $x }\nexit 0\n", extension.LimitExceeded, extension.Terminal, "the limit of standard error (262144 bytes)"},
	"exits 139":         {"exit 139\n", extension.LoadFailed, extension.Retryable, "was ended by exit code 139"},
	"computes for ever": {"loop { }\n", extension.LimitExceeded, extension.Terminal, "the limit of CPU time (1 s)"},
	"sleeps for ever":   {"sleep 1hr\n", extension.LoadTimeout, extension.Retryable, "did not end in time"},
	"does not parse":    {"\ndef x [] { 1 + 'a' }\n", extension.LoadFailed, extension.Terminal, "load.nu:2:12: Types 'int' and 'string' are not compatible for the '+' operator: "},
	"fails":             {"error make {msg: 'oh'}\n", extension.LoadFailed, extension.Terminal, "load.nu:1:"},
	"too long":          {strings.Repeat("#", maxProgram+1), extension.NushellUnavailable, extension.Retryable, "is larger than 65536 bytes"},
}

func TestBrokenLoadingProgramsAreFaults(t *testing.T) {
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	o := options(t)
	o.Limits.CPU = time.Second
	for name, broken := range brokenPrograms {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := o
			o.Provisioning = t.TempDir()
			files{programFile: broken.program}.write(t, o.Provisioning)
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			checked, err := New(o).Check(ctx, s.plan, false)
			fault := extension.AsFault(err)
			g.Expect(fault.Message).To(ContainSubstring(broken.message))
			g.Expect(fault.Code).To(Equal(broken.code))
			g.Expect(fault.Class()).To(Equal(broken.class))
			g.Expect(len(fault.Message)).To(BeNumerically("<=", maxMessage))
			g.Expect(checked.Hooks).To(BeNil())
		})
	}
}

func TestMissingProgramNamesTheFlag(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	o.Provisioning = t.TempDir()
	_, err := New(o).Toolchain(t.Context())
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.NushellUnavailable))
	g.Expect(err).To(MatchError(ContainSubstring("set --provisioning-path to the folder that holds load.nu")))
}

func TestHostileExtensionsAreBounded(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	o.Limits.CPU = time.Second
	slow := stage(t, t.TempDir(), files{"mod.nu": strings.Repeat("const X = (1..500000 | math sum)\n", 2000)}, nil)
	_, err := New(o).Check(t.Context(), slow.plan, false)
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.LimitExceeded))
	g.Expect(err).To(MatchError(ContainSubstring("the limit of CPU time (1 s)")))

	big := stage(t, t.TempDir(), files{"mod.nu": "const X = (1..100000000 | math sum)\n"}, nil)
	_, err = sharedRunner(t).Check(t.Context(), big.plan, false)
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.LimitExceeded))
	g.Expect(err).To(MatchError(ContainSubstring("the limit of memory (384 MiB)")))

	deep := stage(t, t.TempDir(), files{"mod.nu": "export def a [] { " + strings.Repeat("(", 4000) + strings.Repeat(")", 4000) + " }\n"}, nil)
	_, err = sharedRunner(t).Check(t.Context(), deep.plan, false)
	g.Expect(err).To(MatchError(ContainSubstring("was ended by a signal (segmentation fault)")))
}

func TestCancelIsKept(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	o.Provisioning = t.TempDir()
	files{programFile: "sleep 1hr\n"}.write(t, o.Provisioning)
	s := stage(t, t.TempDir(), files{"mod.nu": ""}, nil)
	runner := New(o)
	_, err := runner.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = runner.Check(ctx, s.plan, false)
	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue())
	g.Expect(extension.AsFault(err).Class()).To(Equal(extension.Retryable))
}

func TestPlansThatAreNotAskedOfNushell(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	o.Sandbox = fakeSandbox(func(sandbox.Command) (sandbox.Result, error) {
		t.Error("a process was started")
		return sandbox.Result{}, nil
	})
	runner := New(o)
	bad := member("sample")
	bad.Key.Name = "../etc"
	for _, plan := range []extension.Plan{{}, {Members: []extension.Member{bad}}} {
		_, err := runner.Check(t.Context(), plan, false)
		g.Expect(extension.AsFault(err).Code).To(Equal(extension.InternalError))
	}
	lost := extension.Plan{Members: []extension.Member{member("sample")}}
	lost.Members[0].Digest = content(t.TempDir() + "/gone")
	checked, err := runner.Check(t.Context(), lost, false)
	g.Expect(errors.Is(err, os.ErrNotExist)).To(BeTrue())
	g.Expect(checked).To(Equal(extension.Checked{}))
}

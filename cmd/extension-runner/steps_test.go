// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/step"
)

const greeter = `
use provider/words [hello]
export def configure [values: record<name: string, nodes: list<record<a: int>>>]: nothing -> record<files: record, objects: list> {
    {files: {greeting.txt: (hello $values.name), all: ($values | to json --raw)}, objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}]}
}
` // and what act says

func greeterPod(t *testing.T, more string) *pod {
	t.Helper()
	return newPodOf(t, map[string]fs.FS{
		"provider:words:0.1.0": fstest.MapFS{"mod.nu": {Data: []byte("export def hello [name: string]: nothing -> string { $\"hello ($name)\" }\n")}},
		"taskserv:hello:1.0.0": fstest.MapFS{"mod.nu": {Data: []byte(greeter + more)}},
	}, "provider:words:0.1.0", "taskserv:hello:1.0.0")
}

// One Installation from its values to its end, each step a process of its own.
func TestEveryStep(t *testing.T) {
	g := NewWithT(t)
	says := `{message: ($ctx | reject config | to json --raw | str join)}`
	p := greeterPod(t, hook("install", `print "installing"; {message: $"($ctx.config.files.'greeting.txt') on ($ctx.namespace)"}`)+hook("verify", says)+hook("uninstall", says))
	p.values(`{name: web, nodes: [{a: 1}]}`)

	made := p.run(step.Configure)
	g.Expect(made.Report).To(Equal(step.Report{
		Step: step.Configure, State: step.Succeeded, Message: "made 3 files and objects", ConfigDigest: sum([]byte(p.config())),
		Changes: map[string]extension.Digest{
			"files/greeting.txt": sum([]byte("hello web")), "files/all": sum([]byte(`{"name":"web","nodes":[{"a":1}]}`)),
			"objects/ConfigMap/x": sum([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`)),
		},
	}))
	g.Expect(made.exit).To(Equal(0))
	g.Expect(p.left()).To(Equal([]string{configFile}))

	p.order.ConfigDigest = made.ConfigDigest
	installed := p.run(step.Install)
	g.Expect(installed.Report).To(Equal(step.Report{
		Step: step.Install, State: step.Succeeded, Message: "hello web on default", ConfigDigest: made.ConfigDigest,
	}))
	g.Expect(installed.log).To(HavePrefix("installing\n"))
	verified := p.run(step.Verify)
	g.Expect(verified.Message).To(MatchJSON(fmt.Sprintf(
		`{"namespace":"default","installation":"web","uid":%q,"image":"extension-operator:test","version":"1.0.0"}`, p.order.UID)))
	g.Expect(p.run(step.Uninstall).State).To(Equal(step.Succeeded))

	// The same values, another pod: the same configuration, which may be asked for.
	other := greeterPod(t, "").values(`{name: web, nodes: [{a: 1}]}`)
	other.order.ConfigDigest = made.ConfigDigest
	g.Expect(other.run(step.Configure).ConfigDigest).To(Equal(made.ConfigDigest))
}

func TestAHookThatIsMissingIsSkipped(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, "export const A = 1\nexport def main []: nothing -> nothing { }\n").values("{}")
	e := p.run(step.Configure)
	g.Expect(e.Report).To(Equal(step.Report{
		Step: step.Configure, State: step.Skipped, Reason: step.HookMissing, Message: "taskserv:hello:1.0.0 has no configure hook", ConfigDigest: sum([]byte(noConfig)),
	}))
	g.Expect(p.config()).To(Equal(noConfig))
	for _, s := range []step.Step{step.Install, step.Verify, step.Uninstall} {
		e := p.run(s)
		g.Expect(e.State).To(Equal(step.Skipped))
		g.Expect(e.Message).To(Equal("taskserv:hello:1.0.0 has no " + string(s) + " hook"))
		g.Expect(e.exit).To(Equal(0))
	}
	given := newPod(t, hook("install", "{message: x}")).values("{a: 1}").run(step.Configure)
	g.Expect(given.Reason).To(Equal(step.InvalidValues))
	g.Expect(given.Message).To(ContainSubstring("has no configure hook and takes no values; remove spec.values"))
}

// What a hook that acts gets of the container: where it may write, and where the API is.
func TestTheEnvironmentOfAHook(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, hook("install", `
		"x" | save file
		{message: ({env: ($env | select --optional HOME PATH PASSWORD SSL_CERT_FILE KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT), cwd: $env.PWD, files: (ls --short-names | get name)} | to json --raw)}`))
	p.configured()
	home := filepath.Join(p.order.Work, homeFolder)
	var got map[string]any
	g.Expect(json.Unmarshal([]byte(p.run(step.Install).Message), &got)).To(Succeed())
	g.Expect(got).To(HaveKeyWithValue("cwd", home))
	g.Expect(got).To(HaveKeyWithValue("files", []any{"file"}))
	g.Expect(got["env"]).To(And(HaveKeyWithValue("HOME", home), HaveKeyWithValue("PASSWORD", BeNil()), HaveKeyWithValue("SSL_CERT_FILE", BeNil())))

	g.Expect(os.Mkdir(p.order.ServiceAccount, 0o755)).To(Succeed())
	p.write(filepath.Join(p.order.ServiceAccount, "ca.crt"), "")
	p.environ = []string{"KUBERNETES_SERVICE_HOST=fd00::1", "KUBERNETES_SERVICE_PORT=6443"}
	g.Expect(json.Unmarshal([]byte(p.run(step.Install).Message), &got)).To(Succeed())
	g.Expect(got["env"]).To(And(
		HaveKeyWithValue("SSL_CERT_FILE", filepath.Join(p.order.ServiceAccount, "ca.crt")),
		HaveKeyWithValue("KUBERNETES_SERVICE_HOST", "fd00::1"), HaveKeyWithValue("KUBERNETES_SERVICE_PORT", "6443")))
}

// What is run is what the arguments name, or nothing is.
func TestAnotherPayloadIsRefused(t *testing.T) {
	evil := hook("install", `"x" | save --force /proc/self/cwd/evil; {message: evil}`)
	for name, spoil := range map[string]func(p *pod){
		"of another extension": func(p *pod) {
			other, _ := os.ReadFile(filepath.Join(newPod(p.t, evil).order.Payload, "part-0"))
			p.write(filepath.Join(p.order.Payload, "part-0"), string(other))
		},
		"cut":            func(p *pod) { _ = os.Truncate(filepath.Join(p.order.Payload, "part-0"), 100) },
		"gone":           func(p *pod) { _ = os.Remove(filepath.Join(p.order.Payload, "part-0")) },
		"a part more":    func(p *pod) { p.write(filepath.Join(p.order.Payload, "part-1"), "more") },
		"another digest": func(p *pod) { p.order.Members[0].Digest = sum([]byte("x")) },
		"a member more": func(p *pod) {
			key := extension.Key{Type: extension.Provider, Name: "kube", Version: "1.0.0"}
			p.order.Members = append([]extension.Member{{Key: key, Digest: sum(nil)}}, p.order.Members...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := newPod(t, hook("install", "{message: good}")).configured()
			spoil(p)
			p.order.Nushell = "/does/not/exist" // nobody looks for it
			e := p.run(step.Install)
			g.Expect(e.Reason).To(Equal(step.PayloadRefused))
			g.Expect(e.exit).To(Equal(3))
			g.Expect(e.Message).To(HavePrefix("the payload is refused: "))
		})
	}
}

func TestAnotherConfigurationIsRefused(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, configureHook("{files: {a: b}, objects: []}")+hook("install", "{message: good}")+hook("uninstall", "{message: ($ctx.config | describe)}"))
	absent := p.run(step.Install)
	g.Expect(absent.Reason).To(Equal(step.ConfigRefused))
	g.Expect(absent.Message).To(ContainSubstring("configure must run before"))
	g.Expect(p.run(step.Uninstall).Message).To(Equal("nothing"), "an uninstall may go without")

	made := p.run(step.Configure)
	p.order.ConfigDigest = made.ConfigDigest
	p.write(filepath.Join(p.order.Work, configFile), p.config()+" ")
	for _, s := range []step.Step{step.Install, step.Verify, step.Uninstall} {
		swapped := p.run(s)
		g.Expect(swapped.Reason).To(Equal(step.ConfigRefused))
		g.Expect(swapped.exit).To(Equal(3))
		g.Expect(swapped.Message).To(ContainSubstring(string(made.ConfigDigest) + " was asked for"))
	}
	p.order.ConfigDigest = ""
	p.write(filepath.Join(p.order.Work, configFile), "{")
	g.Expect(p.run(step.Install).Reason).To(Equal(step.ConfigRefused), "no JSON")

	p.order.ConfigDigest = sum([]byte("approved"))
	e := p.run(step.Configure)
	g.Expect(e.Reason).To(Equal(step.ConfigRefused), "another than was approved")
	g.Expect(e.Message).To(ContainSubstring("the values have changed since"))
}

func TestWhereItCannotRun(t *testing.T) {
	file := func(p *pod) string {
		p.write(filepath.Join(filepath.Dir(p.order.Work), "file"), "")
		return filepath.Join(filepath.Dir(p.order.Work), "file")
	}
	for name, c := range map[string]struct {
		step   step.Step
		spoil  func(p *pod)
		reason step.Reason
		says   string
	}{
		"no work folder":        {step.Install, func(p *pod) { p.order.Work = file(p) }, step.RunnerFailed, "not a directory; look at the volumes"},
		"no payload":            {step.Install, func(p *pod) { p.order.Payload = file(p) }, step.RunnerFailed, "not a directory"},
		"no values":             {step.Configure, func(p *pod) { p.order.Values += "-gone" }, step.RunnerFailed, "no such file"},
		"a folder among values": {step.Configure, func(p *pod) { _ = os.Mkdir(filepath.Join(p.order.Values, "000"), 0o755) }, step.RunnerFailed, "is a directory"},
		"a folder for config":   {step.Install, func(p *pod) { _ = os.Mkdir(filepath.Join(p.order.Work, configFile), 0o755) }, step.RunnerFailed, "is a directory"},
		"no nu":                 {step.Install, func(p *pod) { p.configured().order.Nushell = "/does/not/exist" }, step.NushellUnavailable, "cannot execute /does/not/exist"},
		"no nu to configure":    {step.Configure, func(p *pod) { p.order.Nushell = "/does/not/exist" }, step.NushellUnavailable, "cannot execute /does/not/exist"},
		"no program":            {step.Configure, func(p *pod) { p.order.Provisioning = "/does/not/exist" }, step.NushellUnavailable, "set --provisioning-path"},
		"no helper":             {step.Configure, func(p *pod) { p.order.SandboxHelper = "/does/not/exist" }, step.SandboxUnavailable, "install the extension-sandbox"},
		"a wrong argument":      {step.Install, func(p *pod) { p.order.UID = "1" }, step.InvalidArguments, `--uid="1" is no uid; see extension-runner --help`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := newPod(t, configureHook("{files: {}, objects: []}")+hook("install", "{message: good}"))
			c.spoil(p)
			e := p.run(c.step)
			g.Expect(e.Reason).To(Equal(c.reason), e.log)
			g.Expect(e.Message).To(ContainSubstring(c.says))
			_ = os.Remove(filepath.Join(p.order.Work, configFile)) // where it is a folder
		})
	}
}

// A program of another release is told from a hook's mistake.
func TestAnotherRunningProgram(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, hook("install", "{message: good}")).configured()
	text, err := os.ReadFile(filepath.Join(p.order.Provisioning, programFile))
	g.Expect(err).NotTo(HaveOccurred())
	p.order.Provisioning = t.TempDir()
	p.write(filepath.Join(p.order.Provisioning, programFile), strings.Replace(string(text), "PROTOCOL = 1", "PROTOCOL = 2", 1))
	e := p.run(step.Install)
	g.Expect(e.Reason).To(Equal(step.NushellUnavailable))
	g.Expect(e.Message).To(ContainSubstring("speaks protocol 2, this extension-runner 1"))
}

// What a container left that was killed in the middle is not used by the next.
func TestWhatAnEarlierContainerLeftIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, hook("install", "{message: good}")).configured()
	planted := filepath.Join(p.order.Work, stageFolder, "taskserv/hello")
	g.Expect(os.MkdirAll(planted, 0o755)).To(Succeed())
	p.write(filepath.Join(planted, "mod.nu"), hook("install", "{message: planted}"))
	outside := t.TempDir()
	p.write(filepath.Join(outside, "kept"), "")
	g.Expect(os.Symlink(outside, filepath.Join(p.order.Work, homeFolder))).To(Succeed())
	g.Expect(p.run(step.Install).Message).To(Equal("good"))
	g.Expect(filepath.Join(outside, "kept")).To(BeARegularFile())
}

// Where the message cannot be written, what was done is done.
func TestNoTerminationMessage(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, hook("install", "{message: good}")).configured()
	p.order.TerminationLog = filepath.Join(p.order.Payload, "part-0", "x")
	cmd, log := p.command(t.Context(), step.Install)
	g.Expect(cmd.Run()).To(Succeed())
	g.Expect(log.String()).To(And(ContainSubstring(`"state":"Succeeded"`), ContainSubstring("the termination message cannot be written: ")))
}

func TestHelp(t *testing.T) {
	g := NewWithT(t)
	var log strings.Builder
	g.Expect(run([]string{"--help"}, &log)).To(Equal(0))
	g.Expect(log.String()).To(And(ContainSubstring("configure|install|verify|uninstall"), ContainSubstring("-hide-output"), ContainSubstring("Exit codes: 0")))
}

// SIGTERM is how Kubernetes ends a pod: the hook and what it started go, and the message says so.
func TestSIGTERM(t *testing.T) {
	for _, s := range []step.Step{step.Configure, step.Install} {
		t.Run(string(s), func(t *testing.T) {
			g := NewWithT(t)
			p := newPod(t, configureHook("sleep 1hr; {files: {}, objects: []}")+hook("install", "touch started; ^/bin/sleep 3600; {message: good}")).configured()
			cmd, log := p.command(t.Context(), s)
			g.Expect(cmd.Start()).To(Succeed())
			under := filepath.Join(p.order.Work, inputFolder, "argument.json")
			if s == step.Install {
				under = filepath.Join(p.order.Work, homeFolder, "started")
			}
			g.Eventually(func() error { _, err := os.Stat(under); return err }, 20*time.Second, 10*time.Millisecond).Should(Succeed())
			g.Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
			began := time.Now()
			_ = cmd.Wait()
			g.Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
			e := p.ended(cmd, log)
			g.Expect(e.Reason).To(Equal(step.Interrupted))
			g.Expect(e.exit).To(Equal(4))
			g.Expect(e.Message).To(ContainSubstring("was ended by a signal from outside"))
		})
	}
}

// A large plan travels in several parts.
func TestALargePlan(t *testing.T) {
	g := NewWithT(t)
	var text strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&text, "%x\n", sum(fmt.Append(nil, i))[7:])
	}
	p := newPodOf(t, map[string]fs.FS{"taskserv:hello:1.0.0": fstest.MapFS{
		"data.txt": {Data: []byte(text.String()[:4<<20])}, "mod.nu": {Data: []byte(hook("install", "{message: good}"))},
	}}, "taskserv:hello:1.0.0").configured()
	parts, err := os.ReadDir(p.order.Payload)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(parts)).To(And(BeNumerically(">", 1), BeNumerically("<=", payload.MaxParts)))
	g.Expect(p.run(step.Install).Message).To(Equal("good"))
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/step"
)

const nothing = "{files: {}, objects: []}"

// A configure hook makes the same of the same values, reads nothing else and ends in time, or it fails and says why.
func TestConfigureThatMisbehaves(t *testing.T) {
	// The first thing it does is what is told of; what it returns would be good.
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("SECRET"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body   string
		reason step.Reason
		says   string
	}{
		"loops":                     {"loop { }", step.LimitExceeded, "configure reached the limit of CPU time (5 s)"},
		"takes all memory":          {"mut s = '1234567890'; loop { $s = $s + $s }", step.LimitExceeded, "configure reached the limit of memory (384 MiB)"},
		"recurses":                  {"def f [n: int] { (f ($n + 1)) + 1 }; f 0 | ignore; " + nothing, step.HookFailed, "configure failed: Recursion limit (50) reached"},
		"hangs":                     {"sleep 1hr; " + nothing, step.Timeout, "configure did not end within 7s and was ended; make it faster, or raise spec.timeout"},
		"prints 10 MB":              {"print ('' | fill --character x --width 10_000_000); " + nothing, step.LimitExceeded, "limit of standard output (1048576 bytes)"},
		"prints 10 MB of errors":    {"print --stderr ('' | fill --character x --width 10_000_000); " + nothing, step.LimitExceeded, "limit of standard error"},
		"returns 10 MB":             {"{files: {a: ('' | fill --character x --width 10_000_000)}, objects: []}", step.LimitExceeded, "limit of standard output"},
		"exits":                     {"exit 0; " + nothing, step.NoAnswer, "configure ended Nushell without an answer; let it return, and not call exit"},
		"exits with a code":         {"exit 7; " + nothing, step.HookFailed, "configure ended Nushell with exit code 7 and no answer"},
		"throws dice":               {"{files: {same: a, roll: (random int | into string)}, objects: []}", step.NotDeterministic, "leave out clock, chance and whatever else is no value: files/roll"},
		"tells the time":            {"{files: {at: (date now | format date '%+')}, objects: []}", step.NotDeterministic, "files/at"},
		"tells its process":         {"{files: {}, objects: [{kind: ConfigMap, metadata: {name: x}, data: {pid: $nu.pid}}]}", step.NotDeterministic, "objects/ConfigMap/x"},
		"names by chance":           {"{files: ({} | insert (random uuid) x), objects: []}", step.NotDeterministic, "files/"},
		"sorts by chance":           {"{files: ({} | merge (if (random bool --bias 0.5) { {a: a, b: b} } else { {b: b, a: a} }) | insert r (random uuid)), objects: []}", step.NotDeterministic, "files/r"},
		"reads a file outside":      {"{files: {x: (open --raw " + outside + ")}, objects: []}", step.HookFailed, "configure failed: I/O error: Permission denied"},
		"reads the system":          {"{files: {x: (open --raw /etc/passwd)}, objects: []}", step.HookFailed, "Permission denied"},
		"reads the container's env": {"{files: {x: (open --raw /proc/1/environ)}, objects: []}", step.HookFailed, "Permission denied"},
		"writes a file":             {"'x' | save x; " + nothing, step.HookFailed, "Permission denied"},
		"opens a socket":            {"http get http://127.0.0.1:9/ | ignore; " + nothing, step.HookFailed, "configure failed: "},
		"starts a program":          {"^/bin/true; " + nothing, step.HookFailed, "configure failed: "},
		"returns no files":          {"mut x: any = {}; $x = {objects: []}; $x", step.HookFailed, "configure must return record<files: record, objects: list>"},
		"returns no texts":          {"{files: {a: 1}, objects: []}", step.HookFailed, "configure must return record<files: record, objects: list>"},
		"returns null texts":        {"{files: {a: null}, objects: []}", step.HookFailed, "configure must return"},
		"returns no objects":        {"{files: {}, objects: [1]}", step.HookFailed, "object 1 of configure lacks its kind or metadata.name"},
		"returns a closure":         {"{files: {a: {|| 1}}, objects: []}", step.HookFailed, "configure failed: Unsupported input"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			p := newPod(t, strings.Replace(configureHook(c.body), ": nothing -> record<files: record, objects: list>", ": nothing -> any", 1))
			p.order.Timeout = 7 * time.Second
			if c.reason != step.Timeout {
				p.order.Timeout = time.Minute
			}
			e := p.run(step.Configure)
			g.Expect(e.Reason).To(Equal(c.reason), e.log)
			g.Expect(e.exit).To(Equal(1))
			g.Expect(e.Message).To(ContainSubstring(c.says))
			g.Expect(e.everything()).NotTo(ContainSubstring("SECRET"))
			g.Expect(p.left()).To(BeEmpty(), "no configuration was made")
		})
	}
}

// A configuration has whatever else the hook returns, and hooks may print.
func TestConfigureMayReturnMore(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, configureHook(`print "thinking"; print --no-newline "…"; {files: {}, objects: [], big: 9007199254740993, odd: "\u{0}é🦀"}`)+
		hook("install", `{message: ($ctx.config | to json --raw)}`))
	e := p.run(step.Configure)
	g.Expect(e.State).To(Equal(step.Succeeded), e.log)
	g.Expect(e.log).To(HavePrefix("thinking\n…\n"))
	g.Expect(p.config()).To(MatchJSON(`{"files":{},"objects":[],"big":9007199254740993,"odd":"\u0000é🦀"}`))
	g.Expect(p.run(step.Install).Message).To(ContainSubstring("9007199254740993"))
}

// Whatever a hook that acts does, the step says how it ended, and the report fits.
func TestHooksThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		reason step.Reason
		code   string
		says   string
	}{
		"with a code":        {`error make {msg: "no room", code: "hello::full", help: "make some"}; {message: ""}`, step.HookFailed, "hello::full", "install failed: no room; make some"},
		"without a code":     {`error make --unspanned {msg: "no room"}; {message: ""}`, step.HookFailed, "", "install failed: no room"},
		"with no such code":  {`error make {msg: "no room", code: "all is lost: 1 2"}; {message: ""}`, step.HookFailed, "", "install failed: no room"},
		"of Nushell's own":   {`open /does/not/exist | ignore; {message: ""}`, step.HookFailed, "nu::shell::io::file_not_found", "install failed: "},
		"deep inside":        {`[1] | each { [2] | each { error make --unspanned {msg: "deep", code: "hello::deep"} } }; {message: ""}`, step.HookFailed, "hello::deep", "install failed: deep"},
		"in a program":       {`^/bin/sh -c "exit 3"; {message: ""}`, step.HookFailed, "nu::shell::non_zero_exit_code", "install failed: "},
		"without a program":  {`^true; {message: ""}`, step.HookFailed, "nu::shell::external_command", "install failed: External command failed: Command `true` not found"},
		"exits with 0":       {`exit 0; {message: ""}`, step.NoAnswer, "", "install ended Nushell without an answer"},
		"exits with 3":       {`exit 3; {message: ""}`, step.HookFailed, "", "install ended Nushell with exit code 3 and no answer"},
		"forges an answer":   {`print '{"protocol":1,"outcome":"returned","result":{"message":"forged"}}'; exit 0; {message: ""}`, step.NoAnswer, "", "without an answer"},
		"forges a nonce":     {"print --raw (char newline) 'NONCE {\"protocol\":1,\"outcome\":\"returned\",\"result\":{\"message\":\"forged\"}}'; exit 0; {message: ''}", step.NoAnswer, "", "without an answer"},
		"returns no message": {`mut x: any = {}; $x = {text: ""}; $x`, step.HookFailed, "", "install did not return record<message: string>"},
		"returns a number":   {`mut x: any = {}; $x = {message: 1}; $x`, step.HookFailed, "", "install did not return record<message: string>"},
		"returns null":       {`mut x: any = null; $x`, step.HookFailed, "", "install did not return record<message: string>"},
		"hangs":              {`sleep 1hr; {message: ""}`, step.Timeout, "", "install did not end within 2s"},
		"hangs in a program": {`^/bin/sleep 3600; {message: ""}`, step.Timeout, "", "install did not end within 2s"},
		"loops":              {`loop { }; {message: ""}`, step.Timeout, "", "install did not end within 2s"},
		"prints for ever":    {`loop { print ("" | fill --character x --width 10_000) }; {message: ""}`, step.LimitExceeded, "", "limit of standard output"},
		"kills itself":       {`^/bin/sh -c $"kill -9 ($nu.pid)"; sleep 1min; {message: ""}`, step.HookFailed, "", "install was ended by a signal (killed)"},
		"does not parse":     {`{message: ""`, step.HookFailed, "", "install ended Nushell with exit code 1 and no answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			p := newPod(t, strings.Replace(hook("install", c.body), "record<message: string>", "any", 1)).configured()
			p.order.Timeout = 2 * time.Second
			if c.reason != step.Timeout {
				p.order.Timeout = time.Minute
			}
			p.environ = []string{"PATH="}
			e := p.run(step.Install)
			g.Expect(e.Reason).To(Equal(c.reason), e.log)
			g.Expect(e.exit).To(Equal(1))
			g.Expect(e.Code).To(Equal(c.code))
			g.Expect(e.Message).To(ContainSubstring(c.says))
		})
	}
}

// What a hook started ends with it.
func TestNothingRunsOn(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, hook("install", `^/bin/sh -c "/bin/sleep 3600 & echo $! > ../../pid; wait"; {message: good}`)).configured()
	p.order.Timeout = 3 * time.Second
	g.Expect(p.run(step.Install).Reason).To(Equal(step.Timeout))
	text, err := os.ReadFile(filepath.Join(filepath.Dir(p.order.Work), "pid"))
	g.Expect(err).NotTo(HaveOccurred())
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() string { return stateOf(pid) }).Should(BeElementOf("", "Z"), "gone, or waiting for its parent to notice")
}

// stateOf is the letter of a process in /proc, empty where there is none.
func stateOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]
}

// Long words and many objects are cut, and what was cut is counted.
func TestReportsFit(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, configureHook(`{files: (1..200 | each {|n| [$"file-($n)" x] } | into record), objects: (1..20 | each { {kind: Pod, metadata: {name: same}} })}`)+
		hook("install", `{message: ("" | fill --character '"é' --width 9000)}`)+hook("verify", `error make {msg: ("" | fill --character "\u{7}" --width 9000)}; {message: ""}`))
	e := p.run(step.Configure)
	g.Expect(e.State).To(Equal(step.Succeeded), e.log)
	g.Expect(len(e.Changes)).To(BeNumerically(">", 30))
	g.Expect(len(e.Changes) + e.ChangesOmitted).To(Equal(220))
	g.Expect(p.run(step.Install).Message).To(HaveSuffix("…"))
	g.Expect(p.run(step.Verify).Message).To(HavePrefix("verify failed: "))
}

// With a value from a Secret, nobody reads what a hook says or makes: not in the message, not in the log.
func TestHiddenOutput(t *testing.T) {
	const secret = "hunter2"
	loud := `print $v.password; print --stderr $v.password; `
	for name, c := range map[string]struct {
		module, values string
		step           step.Step
		reason         step.Reason
		code           string
	}{
		"configure makes":         {configureHook("let v = $values; " + loud + "{files: ({} | insert $v.password $v.password), objects: []}"), "", step.Configure, "", ""},
		"configure is by chance":  {configureHook("let v = $values; {files: ({} | insert $v.password (random uuid)), objects: []}"), "", step.Configure, step.NotDeterministic, ""},
		"configure refuses":       {configureHook("let v = $values; " + loud + `if true { error make {msg: $"bad ($v.password)", code: "hello::bad", help: $v.password} }; ` + nothing), "", step.Configure, step.HookFailed, "hello::bad"},
		"configure is not parsed": {configureHook(`"hunter2`), "", step.Configure, step.HookFailed, ""},
		"values do not fit":       {"export def configure [values: record<password: int>]: nothing -> record<files: record, objects: list> { " + nothing + " }\n", "", step.Configure, step.InvalidValues, ""},
		"fields do not fit":       {"export def configure [values: record<a: int>]: nothing -> record<files: record, objects: list> { " + nothing + " }\n", "hunter2: 1\na: {hunter2: 1}\n", step.Configure, step.InvalidValues, ""},
		"values are no YAML":      {configureHook(nothing), "a: hunter2\n  b: : hunter2", step.Configure, step.InvalidValues, ""},
		"values are a text":       {configureHook(nothing), "hunter2", step.Configure, step.InvalidValues, ""},
		"values come twice":       {configureHook(nothing), "hunter2: 1\nhunter2: 2", step.Configure, step.InvalidValues, ""},
		"install succeeds":        {hook("install", "let v = $ctx.config; "+loud+"{message: $v.password}"), "", step.Install, "", ""},
		"install fails":           {hook("install", "let v = $ctx.config; "+loud+`if true { error make {msg: $v.password, code: "hello::no", help: $v.password} }; {message: ""}`), "", step.Install, step.HookFailed, "hello::no"},
		"install fails in a call": {hook("install", "let v = $ctx.config; "+loud+`open $v.password | ignore; {message: ""}`), "", step.Install, step.HookFailed, "nu::shell::io::file_not_found"},
		"install says a code":     {hook("install", "let v = $ctx.config; "+loud+`if true { error make {msg: x, code: $"is ($v.password)!"} }; {message: ""}`), "", step.Install, step.HookFailed, ""},
		"install exits":           {hook("install", "let v = $ctx.config; "+loud+`exit 4; {message: ""}`), "", step.Install, step.HookFailed, ""},
		"install prints too much": {hook("install", "let v = $ctx.config; "+`loop { print ("" | fill --character $v.password --width 100_000) }; {message: ""}`), "", step.Install, step.LimitExceeded, ""},
		"install hangs":           {hook("install", "let v = $ctx.config; "+loud+`sleep 1hr; {message: ""}`), "", step.Install, step.Timeout, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			values := c.values
			if values == "" {
				values = "password: " + secret
			}
			p := newPod(t, c.module).values(values)
			p.write(filepath.Join(p.order.Work, configFile), fmt.Sprintf(`{"files":{},"objects":[],"password":%q}`, secret))
			p.order.HideOutput = true
			p.order.Timeout = 30 * time.Second
			if c.reason == step.Timeout {
				p.order.Timeout = 2 * time.Second
			}
			e := p.run(c.step)
			g.Expect(e.Reason).To(Equal(c.reason), e.log)
			g.Expect(e.Code).To(Equal(c.code))
			g.Expect(e.everything()).NotTo(ContainSubstring(secret))
			g.Expect(e.log).To(Equal(e.message+"\n"), "the log has the report alone")
		})
	}
}

// Whoever may read a message may not act with what a hook let slip.
func TestTokensAreTakenOut(t *testing.T) {
	g := NewWithT(t)
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
	p := newPod(t, hook("install", `print "Authorization: Bearer abcdefghijkl"; print --stderr "`+token+`"; {message: "said `+token+`."}`)+
		hook("verify", `error make {msg: "no `+token+`"}; {message: ""}`)).configured()
	for _, s := range []step.Step{step.Install, step.Verify} {
		e := p.run(s)
		g.Expect(e.Message).To(ContainSubstring("<token>"))
		g.Expect(e.everything()).NotTo(ContainSubstring("eyJ"))
		g.Expect(e.everything()).NotTo(ContainSubstring("abcdefghijkl"))
	}
	g.Expect(redact("Bearer x, the bearer of news and eye.json")).To(Equal("Bearer x, the bearer of news and eye.json"))
}

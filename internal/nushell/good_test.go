// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/sandbox"
)

const (
	configure = "export def configure [values: record<name: string, replicas?: int>]: nothing -> record<files: record, objects: list> { {files: {}, objects: []} }\n"
	install   = "export def install [ctx: record]: nothing -> record<message: string> { {message: 'done'} }\n"
	verify    = "export def verify [ctx: record]: nothing -> record<message: string> { {message: 'done'} }\n"
	uninstall = "export def uninstall [ctx: record]: nothing -> record<message: string> { {message: 'done'} }\n"
)

// goodExtensions load, with the hooks that are named.
var goodExtensions = map[string]struct {
	files        files
	dependencies map[string]files
	hooks        []string
}{
	"names that the loading program has as well": {
		files: files{"mod.nu": "def PROTOCOL [] { answer a b; identity; fail }\n" + install}, hooks: []string{"install"},
	},
	"empty module":  {files: files{"mod.nu": ""}, hooks: []string{}},
	"no hooks":      {files: files{"mod.nu": "export def help-me [] { 1 }\nexport const X = 3\n"}, hooks: []string{}},
	"every hook":    {files: files{"mod.nu": verify + uninstall + configure + install}, hooks: hooks},
	"hooks of file": {files: files{"mod.nu": "export use ./lib/hooks.nu *\n", "lib/hooks.nu": install}, hooks: []string{"install"}},
	"hook of module": {
		files: files{"mod.nu": "export module verify { export def main [ctx: record]: nothing -> record<message: string> { {message: ''} } }\n"},
		hooks: []string{"verify"},
	},
	"narrower types": {
		files: files{"mod.nu": `export def configure [
    values: record<name: string, users: list<record<name: string>>> # what [it] takes: {a} -> b
]: nothing -> record<objects: list<record<kind: string>>, files: record<app: record<x: string>>> {
    {objects: [], files: {app: {x: ""}}}
}
export def --env install [ctx: record<uid: string>]: [nothing -> record<message: string, extra: int>] { {message: "", extra: 1} }
export def verify [ctx: record]: nothing -> record<message: string> { {message: ""} }
`},
		hooks: []string{"configure", "install", "verify"},
	},
	"table of objects": {
		files: files{"mod.nu": "export def configure [v: record]: nothing -> record<files: record, objects: table<kind: string>> { {files: {}, objects: [[kind]; [a]]} }\n"},
		hooks: []string{"configure"},
	},
	"dependency": {
		files:        files{"mod.nu": "use taskserv/helper\nexport def x [] { helper give }\n" + install},
		dependencies: map[string]files{"helper": {"mod.nu": "export def give [] { 1 }\n" + verify}},
		hooks:        []string{"install"},
	},
	"names of the program": {
		files: files{"mod.nu": install + `export def print [...rest] { "forged" }
export def exit [...rest] { }
export def "to json" [...rest] { "forged" }
export def "scope modules" [] { [] }
export def "view source" [...rest] { "" }
export def "answer" [] { "forged" }
export def main [] { "forged" }
export const PROTOCOL = 7
export const EXTENSION = "forged"
export module module1 { export def print [] { } }
export alias lines = ls
export extern first [...rest]
`},
		hooks: []string{"install"},
	},
	"deprecated command": {files: files{"mod.nu": "export def a [] { 'x' | str downcase }\n" + install}, hooks: []string{"install"}},
}

func TestGoodExtensionsLoad(t *testing.T) {
	for name, good := range goodExtensions {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := stage(t, t.TempDir(), good.files, good.dependencies)
			checked, err := check(t.Context(), t, sharedRunner(t), s)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(checked.Hooks).To(Equal(good.hooks))
			g.Expect(checked.Enforcement.Level).To(Equal(sandbox.LevelEnforced))
			g.Expect(checked.Enforcement.Missing).To(BeEmpty())
		})
	}
}

func TestTheRecordOfAProcessTellsTheProgramByItsDigest(t *testing.T) {
	g := NewWithT(t)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner := sharedRunner(t)
	checked, err := runner.Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	toolchain, err := runner.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(checked.Process.Argv).To(Equal([]string{
		runner.options.Nushell, "--no-config-file", "--no-std-lib", "--no-history", "--error-style", "plain", "-c",
		"<program " + string(toolchain.Program) + ">",
	}))
	g.Expect(checked.Process.ExitCode).To(BeZero())
	g.Expect(checked.Process.CPU).To(BeNumerically(">", 0))
}

// A file that would appear proves that code runs; the same code in the loading program shows that it would.
func TestNoCodeOfTheExtensionRuns(t *testing.T) {
	g := NewWithT(t)
	witness := filepath.Join(t.TempDir(), "witness")
	touch := "'x' | save --force '" + witness + "'"
	s := stage(t, t.TempDir(), files{"mod.nu": "use taskserv/helper\nexport-env { " + touch + " }\nexport def main [] { " + touch + " }\n" + install},
		map[string]files{"helper": {"mod.nu": "export-env { " + touch + "; exit 0 }\n"}})
	o := options(t)
	o.Sandbox = noSandbox(t) // which could not write the file anyway
	_, err := New(o).Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(witness).NotTo(BeAnExistingFile())

	program, err := os.ReadFile(filepath.Join(provisioning, programFile))
	g.Expect(err).NotTo(HaveOccurred())
	o.Provisioning = t.TempDir()
	files{programFile: strings.Replace(string(program), "\nuse extension\n", "\nuse $EXTENSION\nuse extension\n", 1)}.write(t, o.Provisioning)
	_, err = New(o).Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(witness).To(BeAnExistingFile())
}

func TestStageNamesThatNushellCannotTake(t *testing.T) {
	for _, name := range []string{"a*b", "a?b", "a[b", "\xff"} {
		below := filepath.Join(t.TempDir(), name)
		NewWithT(t).Expect(os.Mkdir(below, 0o755)).To(Succeed())
		stagesBelow(t, below)
		s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
		_, err := sharedRunner(t).Check(t.Context(), s.plan, false)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("set another with --cache-dir")))
	}
}

func TestStageNamesMayHoldNearlyAnything(t *testing.T) {
	for _, name := range []string{
		"with space", `quo"te`, "quo'te", "two\nlines", "'#'##'####", "'####'; exit 0 #", "ünï", "$HOME", "(print x)", "~", "c]{d}", "back\\slash", "`tick`",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			below, folder := filepath.Join(t.TempDir(), name), t.TempDir()
			g.Expect(os.Mkdir(below, 0o755)).To(Succeed())
			stagesBelow(t, below)
			s := stage(t, folder, files{"mod.nu": "use taskserv/helper\n" + install}, map[string]files{"helper": {"mod.nu": ""}})
			checked, err := check(t.Context(), t, sharedRunner(t), s)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(checked.Hooks).To(Equal([]string{"install"}))

			files{"mod.nu": "use ./sub.nu\n" + install, "sub.nu": "export def a [x: strng] { 1 }\n"}.write(t, filepath.Join(folder, "taskserv", "sample"))
			_, err = check(t.Context(), t, sharedRunner(t), s)
			g.Expect(err).To(MatchError(Equal("taskserv sample 1.0.0 does not load: " +
				"extensions/taskservs/sample/1.0.0/sub.nu:1:18: Unknown type. (nu::parser::unknown_type)")))
		})
	}
}

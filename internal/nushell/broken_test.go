// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

const (
	shown       = "extensions/taskservs/sample/1.0.0/"
	messageForm = "[ctx: record]: nothing -> record<message: string>` (extension::hook_signature)"
)

// brokenExtension does not load. message is the whole of what is said after "does not load: ", where LINE stands for the line
// of the loading program that uses the extension.
type brokenExtension struct {
	files        files
	dependencies map[string]files
	message      string
}

var brokenExtensions = map[string]brokenExtension{
	"syntax error": {
		files:   files{"mod.nu": install + "\nexport def x [] {\n  let é = }\n}\n"},
		message: shown + "mod.nu:5:1: Unbalanced delimiter: unexpected `}` (unbalanced with `{`) (nu::parser::unbalanced_delimiter); " + shown + "mod.nu:4:10: Missing argument to `=`.; " + shown + "mod.nu:5:1: Expected keyword.",
	},
	"several errors": {
		files: files{"mod.nu": "export def a [x: strng] { 1 }\nexport def b [] { 'é'; 1 + 'a' }\n"},
		message: shown + "mod.nu:1:18: Unknown type. (nu::parser::unknown_type); " +
			shown + "mod.nu:2:26: Types 'int' and 'string' are not compatible for the '+' operator.",
	},
	"sub-files": {
		files: files{
			"mod.nu":   "use ./lib/b.nu\nuse ./lib/a.nu\nexport def x [y: strng] { 1 }\n",
			"lib/a.nu": "\n  ls\n", "lib/b.nu": "\n\n  ls -l\n",
			"lib/unused.nu": "\n\n  ls -l\n", "lib/fine.nu": "export def z [] { 1 }\n",
		},
		message: shown + "lib/b.nu:3:3: Expected keyword: expected def, const, extern, alias, use, module, export or export-env keyword (nu::parser::expected_keyword); " +
			shown + "mod.nu:3:18: Unknown type.; " + shown + "lib/a.nu:2:3: Expected keyword.",
	},
	"constants of the loading program": {
		files:   files{"mod.nu": "export def install [ctx: record]: nothing -> record<message: string> { {message: $'($PROTOCOL) ($CONTRACT)'} }\n"},
		message: shown + "mod.nu:1:85: Variable not found. (nu::parser::variable_not_found); " + shown + "mod.nu:1:97: Variable not found.",
	},
	"constants of the loading program, in a dependency": {
		files:        files{"mod.nu": "use taskserv/helper\n" + install},
		dependencies: map[string]files{"helper": {"mod.nu": "export def a [] { $MESSAGE_HOOK }\n"}},
		message:      "extensions/taskservs/helper/1.0.0/mod.nu:1:19: an error outside the extension's folder (nu::parser::variable_not_found)",
	},
	"type error": {
		files:   files{"mod.nu": "export def a [x: int] { let b: string = $x; $b }\n"},
		message: shown + "mod.nu:1:41: Type mismatch: expected string, found int (nu::parser::type_mismatch)",
	},
	"body is not what the hook returns": {
		files:   files{"mod.nu": "export def install [ctx: record]: nothing -> record<message: string> { 3 }\n"},
		message: shown + "mod.nu:1:72: Command output doesn't match record<message: string>: expected record<message: string>, but command outputs int (nu::parser::output_type_mismatch)",
	},
	"statement in the module": {
		files:   files{"mod.nu": install + "exit 0\nprint hello\n"},
		message: shown + "mod.nu:2:1: Expected keyword: expected def, const, extern, alias, use, module, export or export-env keyword (nu::parser::expected_keyword); " + shown + "mod.nu:3:1: Expected keyword.",
	},
	"no module": {
		files:   files{"other.nu": ""},
		message: "load.nu:LINE:31: Missing mod.nu file: module directory is missing a mod.nu file (nu::parser::module_missing_mod_nu_file)",
	},
	"not UTF-8":              {files: files{"mod.nu": "export const A = 1\nexport const B = (1 | \xff)\n"}, message: shown + "mod.nu:2:1: the file is not UTF-8"},
	"missing dependency":     {files: files{"mod.nu": "use taskserv/nowhere\n"}, message: shown + "mod.nu:1:5: Module not found: module taskserv/nowhere not found (nu::parser::module_not_found)"},
	"error in a dependency":  {files: files{"mod.nu": "use taskserv/helper\n"}, dependencies: map[string]files{"helper": {"mod.nu": "\nexport def a [x: SECRET] { }\n"}}, message: "extensions/taskservs/helper/1.0.0/mod.nu:2:18: an error outside the extension's folder (nu::parser::unknown_type)"},
	"hook takes nothing":     {files: files{"mod.nu": "\nexport def install []: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:2:1: hook install is []: [nothing -> record<message: string>], but must be `export def install " + messageForm},
	"hook takes two":         {files: files{"mod.nu": "export def verify [a: record, b: record]: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook verify is [ a: record b: record ]: [nothing -> record<message: string>], but must be `export def verify " + messageForm},
	"hook takes text":        {files: files{"mod.nu": "export def install [ctx: string]: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: string ]: [nothing -> record<message: string>], but must be `export def install " + messageForm},
	"hook takes anything":    {files: files{"mod.nu": "export def install [ctx]: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: any ]: [nothing -> record<message: string>], but must be `export def install " + messageForm},
	"hook takes an option":   {files: files{"mod.nu": "export def install [ctx?: record]: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx?: record ]: [nothing -> record<message: string>], but must be `export def install " + messageForm},
	"hook takes a flag":      {files: files{"mod.nu": "export def install [ctx: record, --now]: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record --now ]: [nothing -> record<message: string>], but must be `export def install " + messageForm},
	"hook takes the rest":    {files: files{"mod.nu": "export def install [ctx: record, ...more: int]: nothing -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record ...more:int]: [nothing -> record<message: string>], but must be `export def install " + messageForm},
	"hook takes input":       {files: files{"mod.nu": "export def install [ctx: record]: string -> record<message: string> { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record ]: [string -> record<message: string>], but must be `export def install " + messageForm},
	"hook returns untold":    {files: files{"mod.nu": "export def install [ctx: record] { {message: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record ], but must be `export def install " + messageForm},
	"hook returns text":      {files: files{"mod.nu": "export def install [ctx: record]: nothing -> string { '' }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record ]: [nothing -> string], but must be `export def install " + messageForm},
	"hook returns other":     {files: files{"mod.nu": "export def install [ctx: record]: nothing -> record<msg: string> { {msg: ''} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record ]: [nothing -> record<msg: string>], but must be `export def install " + messageForm},
	"hook returns nested":    {files: files{"mod.nu": "export def install [ctx: record]: nothing -> record<a: record<message: string>> { {a: {message: ''}} }\n"}, message: shown + "mod.nu:1:1: hook install is [ ctx: record ]: [nothing -> record<a: record<message: string>>], but must be `export def install " + messageForm},
	"configure returns less": {files: files{"mod.nu": "export def configure [values: record<a: int>]: nothing -> record<files: record> { {files: {}} }\n"}, message: shown + "mod.nu:1:1: hook configure is [ values: record<a: int> ]: [nothing -> record<files: record>], but must be `export def configure [values: record<…>]: nothing -> record<files: record, objects: list>` (extension::hook_signature)"},
	"hook is an alias":       {files: files{"mod.nu": "export alias verify = ls\n"}, message: shown + "mod.nu:1:1: hook verify is an alias, but must be `export def verify " + messageForm},
	"hook is an extern":      {files: files{"mod.nu": "export extern verify [ctx: record]\n"}, message: shown + "mod.nu:1:1: hook verify is an extern, but must be `export def verify " + messageForm},
	"two hooks, one in a file": {
		files: files{"mod.nu": "export use ./sub.nu *\n\nexport alias verify = ls\n", "sub.nu": "\n\n\nexport def install [] { }\n"},
		message: shown + "sub.nu:4:1: hook install is [], but must be `export def install " + messageForm + "; " +
			shown + "mod.nu:3:1: hook verify is an alias, but must be `export def verify " + messageForm,
	},
	"const that cannot be": {
		files:   files{"mod.nu": "export def c [] { exit 0 }\nexport const X = (c)\n"},
		message: shown + "mod.nu:2:19: Not a const command: This command cannot run at parse time. (nu::shell::not_a_const_command)",
	},
}

func (b brokenExtension) expected(t testing.TB) string {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(provisioning, programFile))
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(program), "export use $EXTENSION *")
	return strings.ReplaceAll(b.message, "LINE", strconv.Itoa(strings.Count(before, "\n")+1))
}

// A file outside cannot be read in the sandbox. Without one, as in the command, it is named by its place and code alone.
func TestNothingOfAFileOutsideIsShown(t *testing.T) {
	folder := t.TempDir()
	files{"outside.nu": "SECRET token\nexport def SECRET [x: SECRET] { }\n"}.write(t, folder)
	root := files{"mod.nu": "use " + folder + "/outside.nu\n"}
	s := stage(t, t.TempDir(), root, nil)
	unboxed := options(t)
	unboxed.Sandbox = noSandbox(t)
	for message, runner := range map[string]*Runner{
		shown + "mod.nu:1:5: Module not found: module " + folder + "/outside.nu not found (nu::parser::module_not_found)": sharedRunner(t),
		"outside.nu:1:1: an error outside the extension's folder (nu::parser::expected_keyword)":                          New(unboxed),
	} {
		g := NewWithT(t)
		_, err := check(t.Context(), t, runner, s)
		g.Expect(err).To(MatchError("taskserv sample 1.0.0 does not load: " + message))
		g.Expect(extension.AsFault(err).Cause.Error()).NotTo(ContainSubstring("SECRET"))
	}
	said := ask(t, "load.json", "module", "load", "taskserv", "sample", "--library", asLibrary(t, root, nil))
	checked, err := check(t.Context(), t, New(unboxed), s)
	sameAnswer(t, said, s, checked, err)
}

func TestBrokenExtensionsSayWhatIsWrong(t *testing.T) {
	for name, broken := range brokenExtensions {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := stage(t, t.TempDir(), broken.files, broken.dependencies)
			runner := sharedRunner(t)
			checked, err := check(t.Context(), t, runner, s)
			fault := extension.AsFault(err)
			g.Expect(fault.Message).To(Equal("taskserv sample 1.0.0 does not load: " + broken.expected(t)))
			g.Expect(fault.Code).To(Equal(extension.LoadFailed))
			g.Expect(fault.Class()).To(Equal(extension.Terminal))
			g.Expect(fault.Cause.Error()).NotTo(ContainSubstring("SECRET"))
			toolchain, err := runner.Toolchain(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(checked.Toolchain).To(Equal(toolchain))
			g.Expect(checked.Hooks).To(BeNil())
			g.Expect(checked.Process.ExitCode).To(BeNumerically(">", 0))
			g.Expect(checked.Enforcement.Level).To(BeElementOf(sandbox.LevelPartial, sandbox.LevelEnforced))

			_, again := check(t.Context(), t, runner, s)
			g.Expect(again).To(MatchError(fault.Message), "the message is the same each time")
		})
	}
}

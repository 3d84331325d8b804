// SPDX-License-Identifier: Apache-2.0

//go:build linux

package nushell

import "strings"

const (
	notFound   = "Module not found"
	cpuReached = `the limit of CPU time \(1 s\)`
	stackOver  = `was ended by a signal \(segmentation fault\)|` + cpuReached // it depends on the machine which comes first
)

// hostileModules and what is said of each; an empty message means that it loads.
var hostileModules = map[string]struct{ module, message string }{
	// Reads: everything outside the stage is not there.
	"password file":    {"use /etc/passwd\n", notFound},
	"another's folder": {"use OUTSIDE/mod.nu\n", notFound},
	"up and out":       {"use ../../../outside/mod.nu\n", notFound},
	"symbolic link":    {"use ./link.nu\n", notFound},
	"not of the plan":  {"use taskserv/other\n", notFound},
	"source":           {"export def a [] { source OUTSIDE/token }\n", ""}, // it is not read, and would be an error if it were

	"overlay":                {"export def a [] { overlay use OUTSIDE/mod.nu }\n", notFound},
	"constant that reads":    {"const X = (open /etc/passwd)\n", "Not a const command"},
	"constant that runs":     {"const X = (^/bin/true)\n", "mod.nu:1:"},
	"constant that probes":   {"export const X = ('/etc/passwd' | path exists)\n", ""}, // not stopped: see docs/sandbox.md
	"plugin":                 {"export def a [] { plugin use OUTSIDE/token }\n", "mod.nu:1:"},
	"code at the load":       {"export-env { open OUTSIDE/token | print --stderr; exit 0 }\n" + install, ""},
	"names of the program":   {"export def print [...x] { 'forged' }\nexport def exit [...x] { }\n" + install, ""},
	"an end at the top":      {"exit 0\n", "Expected keyword"},
	"an answer at the top":   {"print '{\"ok\": true}'\n", "Expected keyword"},
	"signature that does it": {"export def install [ctx: record = (exit 0)]: nothing -> record<message: string> { {message: ''} }\n", "does not load"},

	// The parser: too much of something.
	"constant for ever":      {strings.Repeat("const X = (1..500000 | math sum)\n", 2000), cpuReached},
	"braces":                 {"export def a [] { " + strings.Repeat("{", 5000) + " }\n", "sample 1.0.0"},
	"if and match":           {"export def a [x] { " + strings.Repeat("if true { 1 } else if true { match $x { 1 => { ", 20) + "\n", cpuReached},
	"parentheses":            {"export def a [] { " + strings.Repeat("(", 20000) + strings.Repeat(")", 20000) + " }\n", stackOver},
	"records":                {"export const X = " + strings.Repeat("{a: ", 3000) + "1" + strings.Repeat("}", 3000) + "\n", "sample 1.0.0"},
	"lines":                  {strings.Repeat("export def a [] { 1 }\n", 100000), "sample 1.0.0"},
	"NUL":                    {"export def a [] { \x00 }\n" + install, ""},
	"NUL in a name":          {"use \x00/etc/passwd\n", "mod.nu:1:"},
	"not UTF-8":              {"export def a [] { \xff\xfe }\nx\n", "the file is not UTF-8"},
	"one line of a megabyte": {"export const X = '" + strings.Repeat("x", 1<<20) + "'\n" + install, ""},
}

// hostileCode and what is said of each, on either output, or by the sandbox.
var hostileCode = map[string]struct{ code, answer string }{
	// Reads.
	"password file":     {"open --raw /etc/passwd | print", "Permission denied"},
	"token":             {"open --raw OUTSIDE/token | print", "Permission denied"},
	"symbolic link":     {"open --raw STAGE/taskserv/sample/link.nu | print", "Permission denied"},
	"up and out":        {"open --raw ../outside/token | print", "Permission denied"},
	"root":              {"ls / | print; print SURVIVED", "Permission denied"},
	"environment":       {"open --raw /proc/PARENT/environ | print; print SURVIVED", "Permission denied"},
	"memory":            {"open --raw /proc/PARENT/mem | print; print SURVIVED", "Permission denied"},
	"descriptors":       {"ls /proc/PARENT/fd | print; print SURVIVED", "Permission denied"},
	"processes":         {"if (ps | is-not-empty) { print SURVIVED }; print nothing", "nothing|denied"},
	"own environment":   {"$env | reject config? ENV_CONVERSIONS? | columns | str join ' ' | print", "HOME"},
	"nothing inherited": {"if ($env | columns | any {|it| $it =~ 'TOKEN|KUBE|NUSHELL_TEST' }) { print SURVIVED }; print nothing", "nothing"},

	// Network.
	"http":      {"http get --max-time 5sec http://127.0.0.1:1/; print SURVIVED", "Permission denied|not permitted"},
	"look-up":   {"http get --max-time 5sec http://example.com/; print SURVIVED", "(?i)permission denied|not permitted|i/o error|network|resol"},
	"unix path": {"http get --unix-socket /run/x.sock http://x/; print SURVIVED", "(?i)error"},
	"free port": {"port | print; print SURVIVED", "(?i)permission denied|not permitted"},

	// Writes.
	"write a file":      {"'x' | save OUTSIDE/new; print SURVIVED", "Permission denied"},
	"write into it":     {"'x' | save STAGE/taskserv/sample/new.nu; print SURVIVED", "Permission denied"},
	"change it":         {"'x' | save --force STAGE/taskserv/sample/mod.nu; print SURVIVED", "Permission denied"},
	"add to it":         {"'x' | save --append STAGE/taskserv/sample/mod.nu; print SURVIVED", "Permission denied"},
	"write to tmp":      {"mktemp | print; print SURVIVED", "(?i)permission denied"},
	"forty megabytes":   {"'' | fill --width 41943040 | save /tmp/big; print SURVIVED", "Permission denied"},
	"remove":            {"rm STAGE/taskserv/sample/mod.nu; print SURVIVED", "(?i)permission denied|not found|not permitted"},
	"move":              {"mv STAGE/taskserv/sample/mod.nu STAGE/moved; print SURVIVED", "(?i)permission denied|not moved|not permitted|cross"},
	"make a folder":     {"mkdir STAGE/new; print SURVIVED", "(?i)permission denied"},
	"touch":             {"touch STAGE/taskserv/sample/mod.nu; print SURVIVED", "(?i)permission denied|not permitted"},
	"database":          {"{a: 1} | into sqlite /tmp/x.db; print SURVIVED", "(?i)unable|denied|error"},
	"history of people": {"history | print; print nothing", "nothing|denied"},

	// Processes.
	"run a program":     {"^/bin/true; print SURVIVED", "Permission denied|not permitted"},
	"run nu again":      {"^NU --version; print SURVIVED", "Permission denied|not permitted"},
	"become a program":  {"exec /bin/true; print SURVIVED", "not permitted"},
	"become nu again":   {"exec NU --version; print SURVIVED", "not permitted"},
	"run what it found": {"run-external STAGE/taskserv/sample/mod.nu; print SURVIVED", "(?i)permission denied|not permitted|not found"},
	"in the background": {"job spawn { ^/bin/sleep 1000 }; sleep 200ms; print nothing", "nothing"},
	"job that stays":    {"job spawn { sleep 1hr }; print nothing", "nothing"},
	"kill":              {"kill PARENT; print SURVIVED", "(?i)permission denied|not permitted|failed"},
	"limits":            {"ulimit --file-size 100000; print SURVIVED", "(?i)permission denied|not permitted"},
	"fork bomb":         {"def bomb [] { job spawn { bomb }; job spawn { bomb } }; bomb; sleep 1sec; print nothing", "nothing|aborted|segmentation|out of memory|CPU"},
	"threads":           {"1..1500 | par-each --threads 1500 {|x| sleep 1ms } | length | print; print SURVIVED", "(?i)aborted|panick|resource|memory|segmentation|build"},

	// Resources.
	"endless loop":   {"loop { }; print SURVIVED", "limit of CPU time reached"},
	"ten gigabytes":  {"mut x = 'xxxxxxxxxxxxxxxx'; loop { $x = $x + $x }; print SURVIVED", "aborted|memory"},
	"flood":          {"let x = '' | fill --width 65536; loop { print --raw $x }", "limit of standard output reached"},
	"flood of error": {"let x = '' | fill --width 65536; loop { print --stderr $x }", "limit of standard error reached"},
}

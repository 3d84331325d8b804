# The loading program: it has Nushell parse and type-check one extension and says which hooks it offers.
#
# What is run is this file, unchanged. Two constants come on its standard input, which it sources near its end:
#
#     const NU_LIB_DIRS = ['<stage>']                # <stage>/<type>/<name>/ for the extension and its dependencies
#     const EXTENSION = '<stage>/<type>/<name>'      # the one to load
#
# Both are raw strings, and nothing else is ever put into the code. So a Nushell can be started before it is known what it is
# for: it parses all that stands before `source` and waits there. The answer is one JSON document on standard output
# (docs/schemas/load.json, or failure.json with exit code 1). An extension that does not parse leaves no answer: Nushell
# itself ends with 1 and writes the error to standard error.
#
# No code of the extension runs here: neither a hook, nor `export-env`, which a module that is used indirectly keeps to
# itself. What it exports is reached as `extension <command>` only, so no export can stand in for a command used below.
#
# All of it is a module of a name of its own, which is used after the extension was parsed: what is visible here would be visible to
# the extension, and so make some load that do not load elsewhere.

module provisioning-loading {
    const PROTOCOL = 1

    # On the way of a good extension there are loops and splitting, no closures and few regular expressions: to set one of these up
    # takes Nushell longer than to parse a small module.

    # What every hook must look like, in words, and the fields of what it returns, each with the types it may have.
    const MESSAGE_HOOK = {form: '[ctx: record]: nothing -> record<message: string>', returns: [['message: string']]}
    const CONTRACT = {
        configure: {
            form: '[values: record<…>]: nothing -> record<files: record, objects: list>'
            returns: [['files: record'] ['objects: list' 'objects: table']]
        }
        install: $MESSAGE_HOOK
        uninstall: $MESSAGE_HOOK
        verify: $MESSAGE_HOOK
    }

    # Nushell's own spelling of a command's signature: [ ctx: record ]: [nothing -> record<message: string>]
    def signature-of [hook: string]: nothing -> string {
        let header = view source $"extension ($hook)" | split row --number 2 '] {' | first
        '[' + ($header | split row --number 2 ' [' | last) + ']'
    }

    # A type without what is inside its angle brackets: record<a: list<int>> becomes record.
    def outermost []: string -> string {
        let type = $in
        let shorter = $type | str replace --all --regex '<[^<>]*>' ''
        if $shorter == $type { $type } else { $shorter | outermost }
    }

    # Whether a signature takes one record and nothing else, and returns a record with at least these fields.
    def keeps-contract [returns: list<any>]: string -> bool {
        let sides = $in | split row ' ]: [nothing -> record<'
        if ($sides | length) != 2 or not ($sides.1 | str ends-with '>]') { return false }
        let takes = $sides.0 | outermost | split row ' '
        if ($takes | length) != 3 or $takes.2 != 'record' or ($takes.1 | str ends-with '?:') { return false }
        let fields = $sides.1 | str substring 0..<(-2) | outermost | split row ', '
        for forms in $returns {
            if $forms.0 not-in $fields and ($forms | last) not-in $fields { return false }
        }
        true
    }

    # Where a file below a folder exports a name, as far as the text tells: the first line that does, else the module's.
    def exported-at [extension: string, name: string]: nothing -> record<file: string, line: int, column: int> {
        let folder = $extension + '/'
        let found = view files | get filename | where ($it | str starts-with $folder) | each {|file|
            open --raw $file | lines | enumerate
            | where item =~ ('^\s*export +(def|extern|alias|module)\b.*\b' + $name + '\b')
            | each {|it| {file: ($file | str replace $folder ''), line: ($it.index + 1), column: 1} }
        } | flatten
        $found.0? | default {file: 'mod.nu', line: 1, column: 1}
    }

    # One diagnostic for a hook that breaks the contract, none for one that keeps it.
    def check-hook [extension: string, hook: string, kind: string]: nothing -> list<any> {
        let contract = $CONTRACT | get $hook
        let is = if $kind == 'def' { signature-of $hook } else { $'an ($kind)' }
        if $kind == 'def' and ($is | keeps-contract $contract.returns) { return [] }
        let shown = if ($is | str length) > 200 { ($is | str substring 0..200) + '…' } else { $is }
        let message = $'hook ($hook) is ($shown), but must be `export def ($hook) ($contract.form)`'
        [(exported-at $extension $hook | merge {message: $message, code: 'extension::hook_signature'})]
    }

    def fail [code: string, message: string, diagnostics: list<any>] {
        print --raw ({protocol: $PROTOCOL, ok: false, error: {code: $code, message: $message, diagnostics: $diagnostics}} | to json --raw)
        exit 1
    }

    # Who the staged manifest says it is; the caller compares that with what it asked for.
    def identity [extension: string]: nothing -> record<type: string, name: string, version: string> {
        try {
            let manifest = open --raw ($extension + '/manifest.toml') | from toml
            {type: ($manifest.type | into string), name: ($manifest.name | into string), version: ($manifest.version | into string)}
        } catch {|e|
            fail InvalidMetadata $'manifest.toml cannot be read: ($e.msg)' []
        }
    }

    # The hooks that the module exports, by name, with the kind of command that each is.
    def exported-hooks []: nothing -> record {
        let known = $CONTRACT | columns
        mut found = {}
        for module in (scope modules) {
            if $module.name != extension { continue }
            for it in $module.commands { if $it.name in $known { $found = $found | insert $it.name def } }
            for it in $module.aliases { if $it.name in $known { $found = $found | insert $it.name alias } }
            for it in $module.externs { if $it.name in $known { $found = $found | insert $it.name extern } }
        }
        $found
    }

    export def answer [extension: string] {
        let kinds = exported-hooks
        let hooks = $kinds | columns | sort
        mut wrong = []
        for hook in $hooks { $wrong ++= (check-hook $extension $hook ($kinds | get $hook)) }
        if ($wrong | is-not-empty) { fail LoadFailed $'($wrong | length) of its hooks break the contract' $wrong }
        print --raw ({protocol: $PROTOCOL, ok: true, extension: (identity $extension), hooks: $hooks} | to json --raw)
        # A script that ends without `exit` makes Nushell look for a terminal and start tput.
        exit 0
    }
}

source /dev/stdin
module extension { export use $EXTENSION * }
use extension
use provisioning-loading
provisioning-loading answer $EXTENSION

# The loading program: it has Nushell parse and type-check one extension and says which hooks it offers.
#
# What is run is this file, unchanged, after two constants that its caller writes in front of it:
#
#     const NU_LIB_DIRS = ['<stage>']                # <stage>/<type>/<name>/ for the extension and its dependencies
#     const EXTENSION = '<stage>/<type>/<name>'      # the one to load
#
# Both are raw strings, and nothing else is ever put into the code. The answer is one JSON document on standard output
# (docs/schemas/load.json, or failure.json with exit code 1). An extension that does not parse leaves no answer: Nushell
# itself ends with 1 and writes the error to standard error.
#
# No code of the extension runs here: neither a hook, nor `export-env`, which a module that is used indirectly keeps to
# itself. What it exports is reached as `extension <command>` only, so no export can stand in for a command used below.

module extension { export use $EXTENSION * }
use extension

const PROTOCOL = 1

# What every hook must look like, in words, and the fields of what it returns with the types they may have.
const MESSAGE_HOOK = {form: '[ctx: record]: nothing -> record<message: string>', returns: {message: [string]}}
const CONTRACT = {
    configure: {
        form: '[values: record<…>]: nothing -> record<files: record, objects: list>'
        returns: {files: [record], objects: [list table]}
    }
    install: $MESSAGE_HOOK
    uninstall: $MESSAGE_HOOK
    verify: $MESSAGE_HOOK
}

# Nushell's own spelling of a command's signature: [ ctx: record ]: [nothing -> record<message: string>]
def signature-of [hook: string]: nothing -> string {
    view source $"extension ($hook)"
    | parse --regex '(?s)^def (?:--env )?"[^"]+" (?<signature>\[.*?\](?:: \[.*?\])?) \{'
    | get signature.0? | default '[ … ]'
}

# A type without what is inside its angle brackets: record<a: list<int>> becomes record.
def outermost []: string -> string {
    let type = $in
    let shorter = $type | str replace --all --regex '<[^<>]*>' ''
    if $shorter == $type { $type } else { $shorter | outermost }
}

# Whether a signature takes one record and nothing else, and returns a record with at least these fields.
def keeps-contract [returns: record]: string -> bool {
    let sides = $in | parse --regex '(?s)^(?<takes>\[ .* \]): \[nothing -> record<(?<gives>.*)>\]$'
    if ($sides | is-empty) { return false }
    if ($sides.0.takes | outermost) !~ '^\[ [^\s:?]+: record \]$' { return false }
    let fields = $sides.0.gives | outermost | split row ', ' | parse '{name}: {type}'
    $returns | items {|name types| $fields | any {|it| $it.name == $name and $it.type in $types } } | all {}
}

# Where a file of the extension exports a name, as far as the text tells: the first line that does, else the module's.
def exported-at [name: string]: nothing -> record<file: string, line: int, column: int> {
    let folder = $EXTENSION + '/'
    let found = view files | get filename | where ($it | str starts-with $folder) | each {|file|
        open --raw $file | lines | enumerate
        | where item =~ ('^\s*export +(def|extern|alias|module)\b.*\b' + $name + '\b')
        | each {|it| {file: ($file | str replace $folder ''), line: ($it.index + 1), column: 1} }
    } | flatten
    $found.0? | default {file: 'mod.nu', line: 1, column: 1}
}

# One diagnostic for a hook that breaks the contract, nothing for one that keeps it.
def check-hook [hook: string, kind: string] {
    let contract = $CONTRACT | get $hook
    let is = if $kind == 'def' { signature-of $hook } else { $'an ($kind)' }
    if $kind == 'def' and ($is | keeps-contract $contract.returns) { return }
    let shown = if ($is | str length) > 200 { ($is | str substring 0..200) + '…' } else { $is }
    let message = $'hook ($hook) is ($shown), but must be `export def ($hook) ($contract.form)`'
    exported-at $hook | merge {message: $message, code: 'extension::hook_signature'}
}

def fail [code: string, message: string, diagnostics: list<any>] {
    print --raw ({protocol: $PROTOCOL, ok: false, error: {code: $code, message: $message, diagnostics: $diagnostics}} | to json --raw)
    exit 1
}

# Who the staged manifest says it is; the caller compares that with what it asked for.
def identity []: nothing -> record<type: string, name: string, version: string> {
    try {
        let manifest = open --raw ($EXTENSION + '/manifest.toml') | decode utf-8 | from toml
        {type: ($manifest.type | into string), name: ($manifest.name | into string), version: ($manifest.version | into string)}
    } catch {|e|
        fail InvalidMetadata $'manifest.toml cannot be read: ($e.msg)' []
    }
}

def answer [] {
    let module = scope modules | where name == extension | first
    let exported = [
        ...($module.commands | each {|it| {name: $it.name, kind: def} })
        ...($module.aliases | each {|it| {name: $it.name, kind: alias} })
        ...($module.externs | each {|it| {name: $it.name, kind: extern} })
    ]
    let hooks = $exported | where name in ($CONTRACT | columns) | sort-by name
    let wrong = $hooks | each {|it| check-hook $it.name $it.kind } | compact
    if ($wrong | is-not-empty) { fail LoadFailed $'($wrong | length) of its hooks break the contract' $wrong }
    print --raw ({protocol: $PROTOCOL, ok: true, extension: (identity), hooks: ($hooks | get name)} | to json --raw)
    # A script that ends without `exit` makes Nushell look for a terminal and start tput.
    exit 0
}

answer

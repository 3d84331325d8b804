# Finds what is wrong with a module that Nushell refused, in the same way as the operator (internal/nushell/diagnose.go).
#
# Nushell names the first error with its place and code. All of them it lists as spans without file names, counted on over
# the files in the order of use. So each file of the extension is probed alone, and counts where its errors stand, at one
# distance, in the list of the module.

use nested.nu

const MAX_FILES = 32
const MAX_ERRORS = '100'
# What Nushell adds behind the real error of a constant; it tells nothing.
const FOLLOW_UP = 'Internal error.'

# Diagnostics of the plan's last member, by the paths people know. refused is how the loading program ended.
export def main [stage: string, plan: list<any>, refused: record]: nothing -> list<any> {
    let root = $plan | last
    let folder = [$stage $root.type $root.name] | path join
    let module = probe $stage $folder
    let found = sources $folder | reduce --fold {left: $module, found: []} {|path, state|
        let bytes = open --raw $path | into binary
        let shown = $root.path + ($path | str substring ($folder | str length)..)
        let broken = not-utf8 $bytes
        if $broken > 0 {
            let problem = {file: $shown, line: $broken, column: 1, message: 'the file is not UTF-8', code: ''}
            $state | update found { append $problem }
        } else {
            let is_module = $path == $'($folder)/mod.nu'
            let listed = if $is_module { $module } else if ($state.left | is-empty) { [] } else { probe $stage $path }
            let own = $listed | where end <= ($bytes | bytes length)
            let there = if $is_module { $own } else { among $own $state.left }
            if ($there | is-empty) { $state } else {
                {
                    left: ($state.left | where $it not-in $there)
                    found: ($state.found ++ ($own | each {|it| at $bytes $it $shown }))
                }
            }
        }
    } | get found
    with-first (first-error $refused.stderr) $found $stage $plan
}

# The extension's Nushell files, mod.nu first, then by name.
def sources [folder: string]: nothing -> list<string> {
    let all = glob --no-dir --no-symlink ($'($folder)/**/*.nu' | str replace --all --regex '[\[\]{}?]' '?') | sort
    let main = $'($folder)/mod.nu'
    ($all | where $it == $main) ++ ($all | where $it != $main) | first $MAX_FILES | where {|it| (ls $it | get 0.size) <= 1MiB }
}

# Nushell's list of a module's errors, with bytes counted from the beginning of its first file.
def probe [stage: string, module: string]: nothing -> list<any> {
    let program = (nested prelude $stage $module) + "module extension { export use $EXTENSION * }\n"
    let before = $program | str length --utf-8-bytes
    $program | nested start $stage [--ide-check $MAX_ERRORS /dev/stdin] | get stdout
    | lines | each {|it| try { $it | from json } catch { {} } }
    | where {|it| $it.type? == 'diagnostic' and $it.severity? == 'Error' }
    | each {|it| {message: (first-line $it.message $stage), start: ($it.span.start - $before), end: ($it.span.end - $before)} }
    | where start >= 0 and message != $FOLLOW_UP | uniq
}

# What may be shown of a message: an error of a constant is a whole report, with the code in its first line and then lines of
# files. The stage's own name differs from load to load.
def first-line [message: string, stage: string]: nothing -> string {
    $message | split row "\n" | first | str replace --regex '^Error: ' '' | str replace --all $stage '<stage>'
}

# Where a file's errors stand among the module's, or nothing: then the module does not use the file.
def among [own: list<any>, module: list<any>]: nothing -> list<any> {
    if ($own | is-empty) { return [] }
    let places = $module | each {|it| $it.start - $own.0.start } | where $it > 0 | each {|distance|
        $own | each {|it| {message: $it.message, start: ($it.start + $distance), end: ($it.end + $distance)} }
    }
    $places | where {|moved| $moved | all {|it| $it in $module } } | get 0? | default []
}

def at [bytes: binary, error: record, shown: string]: nothing -> record {
    let before = if $error.start == 0 { [''] } else { $bytes | bytes at 0..($error.start - 1) | decode utf-8 | split row "\n" }
    {file: $shown, line: ($before | length), column: (($before | last | str length --chars) + 1), message: $error.message, code: ''}
}

# The first line that is not UTF-8, or 0.
def not-utf8 [bytes: binary]: nothing -> int {
    if ($bytes | decode utf-8 | encode utf-8) == $bytes { return 0 }
    $bytes | bytes split 0x[0a] | enumerate
    | where {|it| ($it.item | decode utf-8 | encode utf-8) != $it.item } | get 0.index | $in + 1
}

# The first error of a standard error in the style "plain", or null where it names no place. Warnings come before it.
def first-error [all: string] {
    let stderr = $all | str replace --regex '(?ms)\A.*?^(?=Error: )' ''
    let place = $stderr | parse --regex '(?s)Begin snippet for (?<file>.*?) starting at line \d+, column \d+\n(?<rest>.*)' | get 0?
    if $place == null { return null }
    let label = $place.rest
    | parse --regex '(?m)^    label (?:starting )?at line (?<line>\d+), columns? (?<column>\d+)(?: to \d+)?(?:: (?<text>.*))?$' | get 0?
    if $label == null { return null }
    let title = $stderr | parse --regex '(?m)^Error: (?:Error: )?(?<title>.*)$' | get title.0? | default ''
    let bare = $title | str replace --regex '\.$' ''
    let text = $label.text | default '' | str trim
    let same = $text == '' or ($bare | str lowercase) == ($text | str replace --regex '\.$' '' | str lowercase)
    {
        file: $place.file, line: ($label.line | into int), column: ($label.column | into int), title: $title
        message: (if $same { $title } else { $'($bare): ($text)' })
        code: ($stderr | parse --regex '(?m)^diagnostic code: (?<code>\S+)$' | get code.0? | default '')
    }
}

# Puts the error that Nushell named in front. One in a file that is not the extension's own is told by its place alone.
def with-first [error: any, found: list<any>, stage: string, plan: list<any>]: nothing -> list<any> {
    if $error == null { return $found }
    let named = $error | select file line column message code | update message {|it| first-line $it.message $stage }
    if $error.file == source {
        return ([($named | merge {file: 'load.nu'})] ++ $found)
    }
    let place = shown-path $error.file $stage $plan
    if not $place.own { return ($found ++ [($named | merge {file: $place.file, message: ''})]) }
    let same = $found | enumerate
    | where {|it| $it.item.file == $place.file and $it.item.line == $error.line and $it.item.message in [$error.title $error.code] } | get 0?
    if $same == null { return ([($named | merge {file: $place.file})] ++ $found) }
    let column = if $same.item.message == $error.title { $same.item.column } else { $error.column }
    [($named | merge {file: $place.file, column: $column})] ++ ($found | drop nth $same.index)
}

# A staged file as people know it, and whether it is the extension's own, links resolved.
def shown-path [file: string, stage: string, plan: list<any>]: nothing -> record<file: string, own: bool> {
    let clean = $file | path expand --no-symlink
    if ($clean | path expand) != $clean { return {file: ($clean | path basename), own: false} }
    let root = $plan | last
    let member = $plan | where {|it| $clean | str starts-with $'($stage)/($it.type)/($it.name)/' } | get 0?
    if $member == null { return {file: ($clean | path basename), own: false} }
    let below = $clean | str substring ($'($stage)/($member.type)/($member.name)' | str length)..
    {file: ($member.path + $below), own: ($member.type == $root.type and $member.name == $root.name)}
}

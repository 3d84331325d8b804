# `module load`: stages an extension with its dependencies and has the loading program look at it.

use manifest.nu
use nested.nu
use diagnose.nu
use output.nu [answer fail PROTOCOL]

# Loads the last member of a plan and answers, or ends with a failure.
export def main [plan: list<any>, program: string] {
    let root = $plan | last
    let what = $'($root.type) ($root.name) ($root.version)'
    let stage = nested make-stage $plan
    let outcome = try { check $stage $plan $program } catch {|e| {code: 'InternalError', message: $e.msg, diagnostics: []} }
    rm --recursive --force $stage
    if ('code' in $outcome) { fail $outcome.code $'($what) does not load: ($outcome.message)' --diagnostics $outcome.diagnostics }
    answer ($outcome | merge {path: $root.path, metadata: (manifest metadata $root.manifest)}) {|it|
        print ({
            extension: $what, path: $it.path, hooks: (if ($it.hooks | is-empty) { 'none' } else { $it.hooks | str join ', ' })
            'loaded with': ($plan | drop 1 | each {|one| $'($one.type) ($one.name) ($one.version)' } | str join ', ')
        } | transpose what value | where value != '' | table --index false)
    }
}

# The loading program's answer, {extension, hooks}, or {code, message, diagnostics}.
def check [stage: string, plan: list<any>, program: string]: nothing -> record {
    let root = $plan | last
    let folder = [$stage $root.type $root.name] | path join
    let result = nested prelude $stage $folder | nested start $stage ['-c' (open --raw $program)]
    if $result.exit_code < 0 or $result.exit_code >= 128 {
        return {code: 'LoadFailed', message: $'Nushell ended by a signal, code ($result.exit_code)', diagnostics: []}
    }
    if $result.exit_code != 0 and ($result.stdout | is-empty) {
        let diagnostics = diagnose $stage $plan $result
        return {code: 'LoadFailed', message: (parse-message $diagnostics $result.exit_code), diagnostics: $diagnostics}
    }
    let said = try { $result.stdout | from json --strict } catch { {} }
    if $said.protocol? != $PROTOCOL {
        return {code: 'LoadFailed', message: $'($program) did not answer in protocol ($PROTOCOL)', diagnostics: []}
    }
    if $said.ok { return ($said | select extension hooks) }
    $said.error | update diagnostics { each {|it| $it | update file ($root.path + '/' + $it.file) } }
}

def parse-message [diagnostics: list<any>, exit_code: int]: nothing -> string {
    match ($diagnostics | length) {
        0 => { $'Nushell ended with exit code ($exit_code) and said no place' }
        1 => { 'Nushell found 1 error in it' }
        $many => { $'Nushell found ($many) errors in it' }
    }
}

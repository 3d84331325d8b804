# Libraries: folders that hold providers/, taskservs/ and clusters/. The first one that has a name owns it.

use manifest.nu
use version.nu
use output.nu fail

# The libraries in order: the flag, else PROVISIONING_LIBRARY, else the built-in one. Several are divided by
# commas, which a single folder may have in its name.
export def folders [flag: any, builtin: string]: nothing -> list<string> {
    let named = $flag | default ($env.PROVISIONING_LIBRARY? | default '')
    let libraries = if $named == '' { [$builtin] } else if ($named | path type) == 'dir' { [($named | path expand)] } else { $named | split row ',' | str trim | where $it != '' | path expand }
    for it in $libraries {
        if ($it | path type) != 'dir' { fail InvalidUsage $'library ($it) is not a folder; name one with --library' }
    }
    $libraries
}

def sub-folders [folder: string]: nothing -> list<string> {
    if ($folder | path type) != 'dir' { return [] }
    ls --all $folder | where type in [dir symlink] | get name | path basename | where $it !~ '^\.' | sort
}

# The versions of one name in one library: [{type, name, version, path, folder, manifest?, problem?}]. version is empty where
# a broken manifest is all there is to tell it.
def offers [library: string, type: string, name: string]: nothing -> list<any> {
    let folder = [$library $'($type)s' $name] | path join
    let shown = [($library | path basename) $'($type)s' $name] | path join
    let offer = {|below: string, place: record|
        let read = manifest read ($folder | path join $below) $place
        $place | merge $read | merge {
            version: ($place.version? | default $read.manifest?.version? | default '')
            path: ($shown | path join $below | str trim --right --char '/')
            folder: ($folder | path join $below | str trim --right --char '/')
        }
    }
    let versions = sub-folders $folder | where {|it| version is-exact $it }
    if ($folder | path join manifest.toml | path exists) {
        if ($versions | is-not-empty) {
            return [{type: $type, name: $name, version: '', path: $shown, folder: $folder,
                problem: 'manifest.toml lies beside version folders; keep one of the two'}]
        }
        return [(do $offer '' {type: $type, name: $name})]
    }
    $versions | version newest-first | each {|it| do $offer $it {type: $type, name: $name, version: $it} }
}

# Everything the libraries hold of the types, or of one name; a name is taken from the first library that has it.
export def list [libraries: list<string>, types: list<string>, name?: string]: nothing -> list<any> {
    $types | each {|type|
        let names = $libraries | each {|it| sub-folders ($it | path join $'($type)s') } | flatten | uniq
        | where {|it| ($name == null or $it == $name) and (manifest is-name $it) } | sort
        $names | each {|one|
            $libraries | where {|it| ([$it $'($type)s' $one] | path join | path type) == 'dir' } | first | offers $in $type $one
        } | flatten
    } | flatten
}

# The newest version of an extension that fits every constraint. Ends with a failure where there is none.
export def choose [libraries: list<string>, type: string, name: string, constraints: list<string>, --required-by: string]: nothing -> record {
    let found = list $libraries [$type] $name
    let whose = if $required_by == null { '' } else { $', which ($required_by) depends on' }
    if ($found | is-empty) {
        let code = if $required_by == null { 'ExtensionNotFound' } else { 'DependencyMissing' }
        let names = list $libraries [$type] | get name | uniq
        fail $code $'($type) ($name)($whose) was not found in ($libraries | str join ", ")' --available $names
    }
    let good = $found | where problem? == null
    let fitting = $good | where {|it| $constraints | all {|constraint| version accepts $constraint $it.version } }
    if ($fitting | is-not-empty) { return ($fitting | first) }
    # A broken version is named where it is the one that was asked for, or all there is.
    let broken = $found | where problem? != null | where {|it| $it.version in $constraints or ($good | is-empty) }
    if ($broken | is-not-empty) { fail InvalidMetadata $'($broken.0.path): ($broken.0.problem)' }
    let wanted = $constraints | each {|it| if $it == '' { 'a stable version' } else { $'version ($it)' } } | uniq | str join ' and '
    let code = if $required_by == null { 'VersionNotFound' } else { 'DependencyMissing' }
    fail $code $'($wanted) of ($type) ($name)($whose) was not found' --available $good.version
}

# Manifests, checked as strictly as the operator checks them.

use version.nu

export const TYPES = [provider taskserv cluster]
const FORMAT = 1
const MAX_SIZE = 256KiB
const MAX_DEPENDENCIES = 64
# The longest value of each key that holds text, in bytes.
const TEXTS = {name: 63, type: 63, version: 128, description: 1024, author: 256, repository: 1024}
const OPTIONAL = [author repository]

# Whether a name is a DNS label, the only form that reaches a path.
export def is-name [name: string]: nothing -> bool {
    ($name | str length) <= 63 and $name =~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'
}

# [type/]name[@constraint] taken apart, or null where it is no dependency.
export def parse-dependency [text: string] {
    let found = $text | parse --regex '^(?:(?<type>[a-z]+)/)?(?<name>[^/@]+)(?:@(?<constraint>.+))?$' | get 0?
    if $found == null { return null }
    let dependency = {
        type: ($found.type | default --empty taskserv), name: $found.name, constraint: ($found.constraint | default '' | str trim)
    }
    let constrained = $dependency.constraint != '' or not ($text | str contains '@')
    let good = $dependency.type in $TYPES and (is-name $dependency.name) and $constrained and (version is-constraint $dependency.constraint)
    if $good { $dependency } else { null }
}

# What is wrong with one key that holds text, or nothing.
def text-problem [manifest: record, key: string] {
    let value = $manifest | get --optional $key
    if $value == null { return (if $key in $OPTIONAL { null } else { $'($key) is missing; add it' }) }
    if ($value | describe) != 'string' { return $'($key) is not a string; write it in quotes' }
    if $key not-in $OPTIONAL and ($value | str trim) == '' { return $'($key) is empty; fill it in' }
    let limit = $TEXTS | get $key
    if ($value | str length) > $limit { return $'($key) is longer than ($limit) bytes; shorten it' }
    let text = if $key == 'description' { $value | str replace --all --regex '[\n\t]' ' ' } else { $value }
    if $text =~ '\p{Cc}' { $'($key) has control characters; remove them' }
}

def dependency-problems [dependencies: any, itself: string]: nothing -> list<string> {
    if ($dependencies | describe) !~ '^list' or ($dependencies | any {|it| ($it | describe) != 'string' }) {
        return ['dependencies is not a list of strings; write ["containerd", "etcd@^3.5"]']
    }
    if ($dependencies | length) > $MAX_DEPENDENCIES { return [$'it has more than ($MAX_DEPENDENCIES) dependencies'] }
    let parsed = $dependencies | each {|it| {text: $it, dependency: (parse-dependency $it)} }
    let who = $parsed | where dependency != null | each {|it| $'($it.dependency.type)/($it.dependency.name)' }
    [
        ...($parsed | where dependency == null | each {|it| $'dependency "($it.text)" is not of the form [type/]name[@range]' })
        ...($who | where $it == $itself | each {|it| $'dependency ($it) is the extension itself; remove it' })
        ...($who | uniq --repeated | each {|it| $'dependency ($it) is there twice; write it once' })
    ]
}

# What is wrong with a manifest's values, as sentences; place is where it lies: {type, name, version?}.
def problems [manifest: record, place: record]: nothing -> list<string> {
    let known = [manifest dependencies ...($TEXTS | columns)]
    let form = $manifest | columns | where $it not-in $known | sort | each {|it| $'unknown key ($it); remove it' }
    | append ($TEXTS | columns | each {|key| text-problem $manifest $key } | compact)
    if ($form | is-not-empty) { return $form }
    let repository = $manifest.repository? | default --empty 'https://example.org'
    [
        [holds problem];
        [($manifest.name == $place.name) $'name is "($manifest.name)", but its folder is ($place.name)']
        [($manifest.type == $place.type) $'type is "($manifest.type)", but it lies among the ($place.type)s']
        [(version is-exact $manifest.version) $'version "($manifest.version)" is not exact; write X.Y.Z or X.Y.Z-pre, without build metadata']
        [($place.version? in [null $manifest.version]) $'version is "($manifest.version)", but its folder is ($place.version?)']
        [($repository =~ '^(?i)https?://[^\s/?#]+') $'repository "($repository)" is not a URL; write one that begins with https:// or http://']
    ]
    | where not holds | get problem
    | append (dependency-problems ($manifest.dependencies? | default []) $'($place.type)/($place.name)')
}

# Reads <folder>/manifest.toml: {manifest} where it is good, {problem} where it is not.
export def read [folder: string, place: record]: nothing -> record {
    let path = $folder | path join manifest.toml
    if ($path | path type) != 'file' { return {problem: 'manifest.toml is missing'} }
    if (ls --long $path | get 0.size) > $MAX_SIZE { return {problem: $'manifest.toml is larger than ($MAX_SIZE)'} }
    let bytes = open --raw $path | into binary
    let text = $bytes | decode utf-8
    if ($text | encode utf-8) != $bytes { return {problem: 'manifest.toml is not UTF-8'} }
    let manifest = try { $text | from toml } catch { return {problem: 'manifest.toml is not valid TOML'} }
    let format = $manifest.manifest?
    if $format == null { return {problem: 'key manifest is missing; write manifest = 1'} }
    if ($format | describe) != 'int' or $format < 1 { return {problem: 'manifest must be the number 1'} }
    if $format > $FORMAT { return {problem: $'manifest has format ($format), which needs a newer release of this command'} }
    let wrong = problems $manifest $place
    if ($wrong | is-empty) { {manifest: $manifest} } else { {problem: ($wrong | str join '; ')} }
}

# What a good manifest says, with null for the texts it leaves out.
export def metadata [manifest: record]: nothing -> record {
    {author: null, repository: null, dependencies: []} | merge ($manifest | reject manifest)
    | select name type version description dependencies author repository
}

# Versions (X.Y.Z or X.Y.Z-pre) and ranges of them, with the same meaning as spec.version of an Extension.

const EXACT = '^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?$'
const COMPARATOR = '^(?<op>|=|!=|>|>=|=>|<|<=|=<|~|~>|\^)v?(?<x>\d+|[xX*])(?:\.(?<y>\d+|[xX*]))?(?:\.(?<z>\d+|[xX*]))?(?:-(?<pre>[0-9A-Za-z.-]+))?$'

# Whether a text is an exact version. Build metadata is refused: two versions that differ only there compare equal.
export def is-exact [text: string]: nothing -> bool {
    ($text | str length) <= 128 and $text =~ $EXACT
}

def take-apart [version: string]: nothing -> record<core: list<int>, pre: list<string>> {
    let halves = $version | split row --number 2 '-'
    {
        core: ($halves.0 | split row '.' | into int)
        pre: (if ($halves | length) > 1 { $halves.1 | split row '.' } else { [] })
    }
}

# -1, 0 or 1: the first difference of two lists, where the shorter is the smaller.
def first-difference [a: list<any>, b: list<any>, compare: closure]: nothing -> int {
    let differences = $a | zip $b | each {|it| do $compare $it.0 $it.1 } | where $it != 0
    if ($differences | is-not-empty) { return $differences.0 }
    numbers ($a | length) ($b | length)
}

def numbers [a: int, b: int]: nothing -> int {
    if $a < $b { -1 } else if $a > $b { 1 } else { 0 }
}

# Numbers come before words in a pre-release.
def identifiers [a: string, b: string]: nothing -> int {
    match [($a =~ '^\d+$') ($b =~ '^\d+$')] {
        [true true] => { numbers ($a | into int) ($b | into int) }
        [true false] => -1
        [false true] => 1
        _ => { if $a == $b { 0 } else if ([$a $b] | sort) == [$a $b] { -1 } else { 1 } }
    }
}

# -1, 0 or 1 as version a is older than, the same as or newer than b.
export def compare [a: string, b: string]: nothing -> int {
    let a = take-apart $a
    let b = take-apart $b
    let core = first-difference $a.core $b.core {|x y| numbers $x $y }
    if $core != 0 { return $core }
    match [($a.pre | is-empty) ($b.pre | is-empty)] {
        [true true] => 0
        [true false] => 1
        [false true] => -1
        _ => { first-difference $a.pre $b.pre {|x y| identifiers $x $y } }
    }
}

# Versions, newest first.
export def newest-first []: list<string> -> list<string> {
    sort-by --custom {|a b| (compare $a $b) > 0 }
}

# The lowest version that is above all that share the first parts of this one.
def above [parts: list<int>, shared: int]: nothing -> string {
    let raised = $parts | enumerate | each {|it|
        if $it.index < ($shared - 1) { $it.item } else if $it.index == ($shared - 1) { $it.item + 1 } else { 0 }
    }
    $raised | into string | str join '.'
}

# Whether a version fits one comparator such as >=1.27, ~1.2 or ^3.
def fits [comparator: record, version: string]: nothing -> bool {
    let written = [$comparator.x $comparator.y $comparator.z] | take until {|it| $it in ['' null x X '*'] }
    let parts = $written | append [0 0 0] | first 3 | into int
    let given = $written | length
    if ($version | str contains '-') and ($comparator.pre | is-empty) { return false }
    let low = ($parts | into string | str join '.') + (if ($comparator.pre | is-empty) { '' } else { '-' + $comparator.pre })
    if $given == 0 { return ($comparator.op not-in ['!=' '>' '<']) }
    let order = compare $version $low
    let below = {|shared| (compare $version (above $parts $shared)) < 0 }
    match $comparator.op {
        '' | '=' => { if $given == 3 { $order == 0 } else { $order >= 0 and (do $below $given) } }
        '!=' => { not (if $given == 3 { $order == 0 } else { $order >= 0 and (do $below $given) }) }
        '>' => { if $given == 3 { $order > 0 } else { not (do $below $given) } }
        '>=' | '=>' => { $order >= 0 }
        '<' => { $order < 0 }
        '<=' | '=<' => { if $given == 3 { $order <= 0 } else { do $below $given } }
        '~' | '~>' => { $order >= 0 and (do $below ([$given 2] | math min)) }
        '^' => {
            let leading = $parts | enumerate | where item > 0 | get index.0? | default 2
            $order >= 0 and (do $below ([($leading + 1) $given] | math min))
        }
    }
}

# A range as alternatives of comparators that must all fit, or null where it is none.
def parse-range [text: string] {
    let alternatives = $text | split row '||' | each {|alternative|
        $alternative
        | str replace --all --regex '(\S+)\s+-\s+(\S+)' '>=$1 <=$2'
        | str replace --all --regex '(?<=[=<>~^!])\s+' ''
        | split row --regex '[,\s]+' | where $it != ''
        | each {|one| $one | parse --regex $COMPARATOR | get 0? | default {op: null} }
    }
    if ($alternatives | any {|it| ($it | is-empty) or ($it | any {|one| $one.op == null }) }) { null } else { $alternatives }
}

# Whether a text is empty, an exact version or a range.
export def is-constraint [text: string]: nothing -> bool {
    ($text | str length) <= 128 and ($text == '' or (is-exact $text) or (parse-range $text) != null)
}

# Whether an exact version fits a constraint. The empty one takes every stable version.
export def accepts [constraint: string, version: string]: nothing -> bool {
    if $constraint == '' { return (not ($version | str contains '-')) }
    if (is-exact $constraint) { return ((compare $constraint $version) == 0) }
    parse-range $constraint | any {|alternative| $alternative | all {|one| fits $one $version } }
}

# The checks that hooks of the built-in library share, used as `use ./check.nu`.
#
# Each extension carries a copy, so that it depends on another only for what that one
# is; a test keeps the copies equal. A check takes the completed values and the names
# of the fields to look at, and fails with a message that names the field.

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
const GROUP = '[0-9a-fA-F]{1,4}'
const LABEL = '[a-z0-9]([a-z0-9-]*[a-z0-9])?'

# Ends the hook: `msg` says what is wrong, `help` what to do.
export def fail [msg: string, help: string]: nothing -> error {
    error make --unspanned {msg: $msg, help: $help}
}

# The type of a value in one word: int, string, bool, list, record.
def kind [value: any]: nothing -> string {
    $value | describe | split row "<" | first | str replace "table" "list"
}

# The values given, with `defaults` for every optional field that is absent or null.
#
# A field's default also says its type. A field that is neither in `required` nor
# in `defaults` is an error: a misspelt one must not be silently without effect.
export def complete [given: record, required: list<string>, defaults: record]: nothing -> record {
    let known = $required ++ ($defaults | columns)
    for field in ($given | columns) {
        if $field not-in $known {
            fail $"unknown value ($field)" $"known values: ($known | str join ', ')"
        }
    }
    mut full = $given
    for field in ($defaults | columns) {
        let default = $defaults | get $field
        let value = $given | get --optional $field | default $default
        if (kind $value) != (kind $default) {
            fail $"($field) is of type (kind $value)" $"give a value of type (kind $default)"
        }
        $full = $full | upsert $field $value
    }
    $full
}

# Of `fields`, those that are not empty: an empty optional text means "not set".
export def filled [values: record, ...fields: string]: nothing -> list<string> {
    mut set = []
    for field in $fields {
        if ($values | get $field) != "" { $set = $set ++ [$field] }
    }
    $set
}

# All of `fields` are set, or none is.
export def together [values: record, ...fields: string]: nothing -> nothing {
    let set = filled $values ...$fields
    if ($set | is-not-empty) and $set != $fields {
        fail $"($set | str join ', ') is set without the rest of ($fields | str join ', ')" "set all of them or none"
    }
}

# Every text of a list field fits the test; `want` says what is expected.
def each-text [values: record, fields: list<string>, want: string, test: closure]: nothing -> nothing {
    for field in $fields {
        for text in ([($values | get $field)] | flatten) {
            if ($text | describe) != "string" or not (do $test $text) {
                fail $"($field) is ($text | to json --raw)" $"give ($want)"
            }
        }
    }
}

# A text, or each text of a list, fits the regular expression as a whole.
export def pattern [values: record, regex: string, want: string, ...fields: string]: nothing -> nothing {
    each-text $values $fields $want {|text| $text =~ ('\A(?:' + $regex + ')\z') }
}

# A text, or each text of a list, is one of `allowed`.
export def one-of [values: record, allowed: list<string>, ...fields: string]: nothing -> nothing {
    each-text $values $fields $"one of ($allowed | str join ', ')" {|text| $text in $allowed }
}

# A whole number from `low` to `high`, both included.
export def between [values: record, low: int, high: int, ...fields: string]: nothing -> nothing {
    for field in $fields {
        let number = $values | get $field
        if $number < $low or $number > $high {
            fail $"($field) is ($number)" $"give a number from ($low) to ($high)"
        }
    }
}

# A TCP port.
export def port [values: record, ...fields: string]: nothing -> nothing {
    between $values 1 65535 ...$fields
}

# A DNS label, as Kubernetes and host names have it.
export def name [values: record, ...fields: string]: nothing -> nothing {
    each-text $values $fields "a name of lower-case letters, digits and -, at most 63 long" {|text|
        $text =~ $'\A($LABEL)\z' and ($text | str length) <= 63
    }
}

# An absolute path without characters that any configuration format gives a meaning.
export def path [values: record, ...fields: string]: nothing -> nothing {
    pattern $values '/[A-Za-z0-9._/@+-]*' "an absolute path of letters, digits and . _ / @ + -" ...$fields
}

# An http or https address.
export def url [values: record, ...fields: string]: nothing -> nothing {
    pattern $values 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?' "an address such as https://mirror.example.org" ...$fields
}

# A container image as Docker names it: a registry, a tag and a digest may be left out.
export def image [values: record, ...fields: string]: nothing -> nothing {
    let name = '[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*'
    let image = '(name(:[0-9]{1,5})?/)?name(/name)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?' | str replace --all "name" $name
    pattern $values $image "an image such as postgres:17" ...$fields
}

# Whether the text is an IPv4 address.
export def is-ipv4 [text: string]: nothing -> bool {
    $text =~ $'\A($OCTET)\.($OCTET)\.($OCTET)\.($OCTET)\z'
}

# Whether the text is an IPv6 address: eight groups, or at most seven around one `::`.
export def is-ipv6 [text: string]: nothing -> bool {
    let groups = '(g(:g)*)?'
    let whole = '\A(g:){7}g\z' | str replace --all "g" $GROUP
    let shortened = '\A' + $groups + '::' + $groups + '\z' | str replace --all "g" $GROUP
    let eight = '(g:+){7}g' | str replace --all "g" $GROUP
    $text =~ $whole or ($text =~ $shortened and $text !~ $eight)
}

# Whether the text is a host name or an IP address.
export def is-host [text: string]: nothing -> bool {
    if $text =~ '\A[0-9.]+\z' or $text =~ ':' { return ((is-ipv4 $text) or (is-ipv6 $text)) }
    ($text | str length) <= 253 and $text !~ '[^.]{64}' and $text =~ ('\A' + $LABEL + '(\.' + $LABEL + ')*\z')
}

# An IP address.
export def ip [values: record, ...fields: string]: nothing -> nothing {
    each-text $values $fields "an IP address such as 10.0.0.10" {|text| (is-ipv4 $text) or (is-ipv6 $text) }
}

# A host name or an IP address.
export def host [values: record, ...fields: string]: nothing -> nothing {
    each-text $values $fields "a host name or an IP address" {|text| is-host $text }
}

# A network as ADDRESS/PREFIX.
export def cidr [values: record, ...fields: string]: nothing -> nothing {
    each-text $values $fields "a network such as 10.244.0.0/16" {|text|
        let parts = $text | split row "/"
        let bits = if (is-ipv4 $parts.0) { 32 } else if (is-ipv6 $parts.0) { 128 } else { -1 }
        ($parts | length) == 2 and $parts.1 =~ '\A(0|[1-9][0-9]{0,2})\z' and ($parts.1 | into int) <= $bits
    }
}

# An IP address or host name as it stands in a URL: IPv6 in brackets.
export def in-url [host: string]: nothing -> string {
    if (is-ipv6 $host) { $"[($host)]" } else { $host }
}

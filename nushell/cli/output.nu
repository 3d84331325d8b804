# How the commands answer: one JSON document on standard output, or tables and sentences for people.

export const PROTOCOL = 1

# Ends with a failure: exit code 1 where an extension or a library is at fault, 2 where the command line is.
export def fail [code: string, message: string, --diagnostics: list<any> = [], --available: list<string> = []] {
    if $env.PROVISIONING_OUTPUT == 'json' {
        let error = {code: $code, message: $message, diagnostics: $diagnostics, available: $available}
        print --raw ({protocol: $PROTOCOL, ok: false, error: $error} | to json --raw)
    } else {
        print --stderr $'error: ($message)'
        for it in $diagnostics { print --stderr $'  (place $it)' }
        if ($available | is-not-empty) { print --stderr $'  available: ($available | first 20 | str join ", ")' }
    }
    exit (if $code == 'InvalidUsage' { 2 } else { 1 })
}

# A diagnostic on one line.
def place [it: record]: nothing -> string {
    let message = if $it.message == '' { 'an error outside the extension''s folder' } else { $it.message }
    $'($it.file):($it.line):($it.column): ($message)' + (if $it.code == '' { '' } else { $' (char lparen)($it.code)(char rparen)' })
}

# Prints an answer: the document, or what the closure makes of it for people.
export def answer [document: record, for_people: closure] {
    if $env.PROVISIONING_OUTPUT == 'json' {
        print --raw ({protocol: $PROTOCOL, ok: true} | merge $document | to json --raw)
    } else {
        do $for_people $document
    }
}

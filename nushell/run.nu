# The running program: it runs one hook of one extension and says what came of it. Only extension-runner starts it, in a Job.
#
# What is run is this file, unchanged. Five constants come on its standard input, which it sources as load.nu does:
#
#     const NU_LIB_DIRS = ['<stage>']                # <stage>/<type>/<name>/ for the extension and its dependencies
#     const EXTENSION = '<stage>/<type>/<name>'      # the one whose hook is run
#     const HOOK = 'install'
#     const INPUT = '<file>'                         # the hook's argument as JSON: values or ctx. It is data, never code
#     const NONCE = '<unlike any other run's>'       # begins the line of the answer
#
# All are raw strings. The answer is one line on standard output, the nonce and a JSON document; everything else there and on
# standard error is the hook's own. Without that line there is no answer, whatever a hook prints and however it ends.
#
#     {"protocol": 1, "outcome": "returned", "result": …}
#     {"protocol": 1, "outcome": "missing"}                                   the extension has no such hook
#     {"protocol": 1, "outcome": "failed", "message", "label", "help", "code", "details"}
#     {"protocol": 1, "outcome": "misfit", "declared", "given"}               the argument is not of the parameter's type

const PROTOCOL = 1

def answer [nonce: string, document: record] {
    let text = {protocol: $PROTOCOL} | merge $document | to json --raw
    print --raw $"\n($nonce) ($text)"
    # A script that ends without `exit` makes Nushell look for a terminal and start tput.
    exit 0
}

# The error that was made first: what fails in a closure comes inside others.
def innermost []: record -> record {
    mut error = $in
    while ($error.inner? | is-not-empty) { $error = $error.inner.0 }
    $error
}

# What is said of an error of the hook, or of the call of it.
def failure [error: record, hook: string, argument: any]: nothing -> record {
    let first = $error.details | innermost
    let place = $first.labels?.0?.location?.file?
    if $first.code? == 'nu::shell::cant_convert' and $place == 'source' { return (misfit $hook $argument) }
    {
        outcome: failed, message: $first.msg, label: ($first.labels?.0?.text? | default '')
        help: ($first.help? | default ''), code: ($first.code? | default ''), details: $error.rendered
    }
}

# The type that a hook's parameter is declared with, and those of the fields it was given.
def misfit [hook: string, argument: any]: nothing -> record {
    let signature = scope commands | where name == $'extension ($hook)' | get 0.signatures | values | first
    let given = $argument | items {|name, value| {name: $name, type: ($value | describe)} }
    {outcome: misfit, declared: ($signature | where parameter_type == positional | get 0.syntax_shape), given: $given}
}

source /dev/stdin
module extension { export use $EXTENSION * }
use extension

# A hook that the module lacks is parsed as a program of that name, and never reached.
def call [argument: any] {
    match $HOOK {
        configure => (extension configure $argument)
        install => (extension install $argument)
        verify => (extension verify $argument)
        uninstall => (extension uninstall $argument)
    }
}

def begin [] {
    let exported = scope modules | where name == extension | get 0.commands.name
    if $HOOK not-in $exported { answer $NONCE {outcome: missing} }
    let argument = open --raw $INPUT | from json
    let outcome = try {
        let result = call $argument
        $result | to json --raw | ignore # what cannot be written as JSON is an error of the hook
        {outcome: returned, result: $result}
    } catch {|e| failure $e $HOOK $argument }
    answer $NONCE $outcome
}

begin

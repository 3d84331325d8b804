# Runs the loading program in a Nushell of its own: a path known only at run time cannot be `use`d in this one.

const ARGUMENTS = [--no-config-file --no-std-lib --no-history --error-style plain]

# Text as a raw string, whose only way out is a quote and as many # as it began with.
def raw-string [text: string]: nothing -> string {
    let fences = $text | parse --regex "'(?<fence>#*)" | get fence | append '' | str length
    let fence = '' | fill --character '#' --width (($fences | math max) + 1)
    $"r($fence)'($text)'($fence)"
}

# The two constants that the loading program reads.
export def prelude [stage: string, extension: string]: nothing -> string {
    $"const NU_LIB_DIRS = [(raw-string $stage)]\nconst EXTENSION = (raw-string $extension)\n"
}

# Starts this very nu with a home, an empty PATH and nothing else of the environment: {stdout, stderr, exit_code}.
export def start [stage: string, more: list<string>]: string -> record {
    let input = $in
    hide-env --ignore-errors ...($env | columns | where $it not-in [PWD config])
    cd $stage
    with-env {HOME: $stage, PATH: ''} {
        $input | run-external $nu.current-exe ...$ARGUMENTS ...$more | complete
    }
}

# A new folder with <type>/<name>/ for each member of a plan.
export def make-stage [plan: list<any>]: nothing -> string {
    let stage = mktemp --directory --tmpdir provisioning.XXXXXX | path expand
    for it in $plan {
        mkdir ($stage | path join $it.type)
        cp --recursive $it.folder ([$stage $it.type $it.name] | path join)
    }
    $stage
}

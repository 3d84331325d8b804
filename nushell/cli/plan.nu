# The extension that is asked for and what it depends on, in load order.
#
# Each dependency is the newest version that fits what the extensions above it ask for; nothing is tried again with an
# older one. Where that is not enough, the operator may still find a plan.

use library.nu
use manifest.nu
use version.nu
use output.nu fail

export def resolve [libraries: list<string>, type: string, name: string, constraint: string]: nothing -> list<any> {
    let root = library choose $libraries $type $name [$constraint]
    add $libraries $root [] []
}

def label [it: record]: nothing -> string { $'($it.type)/($it.name)' }

# The plan with an extension and its dependencies behind what it holds already. above are those that led here.
def add [libraries: list<string>, extension: record, plan: list<any>, above: list<string>]: nothing -> list<any> {
    let here = $above | append (label $extension)
    let dependencies = $extension.manifest.dependencies? | default [] | each {|it| manifest parse-dependency $it }
    $dependencies | reduce --fold $plan {|wanted, grown|
        if (label $wanted) in $here {
            fail DependencyCycle $'dependencies form a cycle: ($here | append (label $wanted) | str join " -> ")'
        }
        let chosen = library choose $libraries $wanted.type $wanted.name [$wanted.constraint] --required-by (label $extension)
        let known = $grown | where type == $wanted.type and name == $wanted.name
        if ($known | is-empty) {
            add $libraries $chosen $grown $here
        } else if (version accepts $wanted.constraint $known.0.version) {
            $grown
        } else {
            fail DependencyConflict $'(label $extension) needs (label $wanted)@($wanted.constraint), but ($known.0.version) was chosen before'
        }
    } | append $extension
}

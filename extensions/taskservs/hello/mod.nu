# The smallest thing to install: pods that say hello. Their image is the operator's own, which every node that runs
# the operator has, so that they become ready where nothing can be pulled.

use ./check.nu
use provider/kube [OWNER apply await-rollout remove]

# The optional values, with what they are when left out.
const DEFAULTS = {greeting: "Hello!", replicas: 1, patience_s: 120}

# Makes `greeting.txt`, and the ConfigMap and the Deployment that say it.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] $DEFAULTS
    check pattern $v '[^\x00-\x1f\x7f]{1,200}' "one line of text, at most 200 long" greeting
    check between $v 0 100 replicas
    check between $v 1 3600 patience_s
    let text = $"($v.greeting)\n"
    {files: {greeting.txt: $text}, objects: [(config-map $text) (deployment $v $text)]}
}

# Makes the objects, or makes them as they are configured now.
export def install [ctx: record]: nothing -> record<message: string> {
    for object in $ctx.config.objects { apply $ctx (placed $ctx $object) }
    {message: $"ConfigMap and Deployment ($ctx.installation) are applied"}
}

# Waits until all pods are available.
export def verify [ctx: record]: nothing -> record<message: string> {
    let wanted = $ctx.config.objects | where kind == "Deployment" | first
    let there = await-rollout $ctx (placed $ctx $wanted) ($wanted.spec.progressDeadlineSeconds * 1sec)
    {message: $"($there.status.availableReplicas? | default 0) of ($there.spec.replicas) replicas of Deployment ($ctx.installation) are available"}
}

# Deletes what carries this Installation's uid, and nothing else.
export def uninstall [ctx: record]: nothing -> record<message: string> {
    mut done = []
    for kind in [[apiVersion name]; ["apps/v1" "Deployment"] ["v1" "ConfigMap"]] {
        let was = remove $ctx {apiVersion: $kind.apiVersion, kind: $kind.name, metadata: {name: $ctx.installation}}
        $done ++= [$"($kind.name) ($was)"]
    }
    {message: ($done | str join ", ")}
}

def config-map [text: string]: nothing -> record {
    {apiVersion: "v1", kind: "ConfigMap", metadata: {name: "hello"}, data: {greeting.txt: $text}}
}

const PROGRAM = "open --raw /etc/hello/greeting.txt | print; loop { sleep 1hr }"

def deployment [v: record, text: string]: nothing -> record {
    {
        apiVersion: "apps/v1"
        kind: "Deployment"
        metadata: {name: "hello"}
        spec: {
            replicas: $v.replicas
            progressDeadlineSeconds: $v.patience_s
            selector: {matchLabels: {"app.kubernetes.io/name": "hello"}}
            template: {
                # With another text, other pods: what is mounted is read once.
                metadata: {labels: {"app.kubernetes.io/name": "hello"}, annotations: {"hello/greeting": ($text | hash sha256)}}
                spec: (pod)
            }
        }
    }
}

def pod []: nothing -> record {
    {
        automountServiceAccountToken: false
        enableServiceLinks: false
        terminationGracePeriodSeconds: 1
        securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: {type: "RuntimeDefault"}}
        containers: [{
            name: "hello"
            image: "extension-operator" # install knows which one
            command: ["/usr/local/bin/nu", "--no-config-file", "--no-std-lib", "-c", $PROGRAM]
            env: [{name: "HOME", value: "/"}]
            resources: {requests: {cpu: "5m", memory: "32Mi"}, limits: {memory: "64Mi"}}
            securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: ["ALL"]}}
            volumeMounts: [{name: "greeting", mountPath: "/etc/hello", readOnly: true}]
        }]
        volumes: [{name: "greeting", configMap: {name: "hello"}}]
    }
}

# A configured object with what only the Installation knows: its name, its uid, and the operator's image.
def placed [ctx: record, object: record]: nothing -> record {
    let named = $object | update metadata.name $ctx.installation
    if $object.kind != "Deployment" { return $named }
    let own = {$OWNER: $ctx.uid}
    ($named
        | update spec.selector.matchLabels {|d| $d.spec.selector.matchLabels | merge $own }
        | update spec.template.metadata.labels {|d| $d.spec.template.metadata.labels | merge $own }
        | update spec.template.spec.containers.0.image $ctx.image
        | update spec.template.spec.volumes.0.configMap.name $ctx.installation)
}

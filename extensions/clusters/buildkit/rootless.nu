# BuildKit in Kubernetes: a Deployment of one rootless daemon, a Service and its configuration, and the hooks that install them.

use ./check.nu
use provider/kube [OWNER apply await-rollout present remove]

const NAME = "buildkitd"
const TLS = "/certs" # where the files of tls_secret are
const SOCKETS = "/run/buildkit"
const USER = 1000 # of the rootless image, which has subordinate ids for this one alone

# The optional values of the pod, with what they are when left out.
export const DEFAULTS = {
    image: "moby/buildkit:v0.23.2-rootless"
    memory_mib: 4096
    tls_secret: ""
    unconfined: false
    patience_s: 300
}

# Checks that a pod can have what the daemon is told to use.
export def validate [v: record]: nothing -> nothing {
    check pattern $v $'unix://($SOCKETS)/[A-Za-z0-9._-]+|tcp://.*' $"a socket in the folder ($SOCKETS), or a tcp address" addresses
    if ($v.tls_secret == "") != ($v.tls_cert == "") {
        check fail "tls_secret and tls_cert go together with worker oci" $"set tls_secret, and tls_cert, tls_key and tls_ca to its files, such as ($TLS)/tls.crt"
    }
    check pattern $v $'($TLS)/[A-Za-z0-9._-]+' $"a file of tls_secret, such as ($TLS)/tls.crt" ...(check filled $v tls_cert tls_key tls_ca)
}

# The Service and the Deployment of checked values.
export def objects [v: record, metadata: record, files: record, port: int]: nothing -> list<record> {
    let listens = $v.addresses | where $it =~ '^tcp://' | each { split row ":" | last | into int } | append $port | first
    [(service $metadata $listens) (deployment $v $metadata $files $listens)]
}

# Makes the objects, or makes them as they are configured now.
export def install [ctx: record]: nothing -> record<message: string> {
    let name = {installation: $ctx.installation}
    check pattern $name '[a-z]([a-z0-9-]{0,61}[a-z0-9])?' "the Installation a name of lower-case letters, digits and -, at most 63 long" installation
    if ($ctx.config.objects | where kind == "Deployment" | is-empty) {
        (error make --unspanned {
            msg: "worker is containerd, and no pod reaches the containerd of its node", help: "set worker to oci", code: "buildkit::NoPod"
        })
    }
    for object in (placed $ctx) { apply $ctx $object }
    {message: $"ConfigMap, Service and Deployment ($ctx.installation) are applied"}
}

# Looks at each object, and waits until the daemon answers.
export def verify [ctx: record]: nothing -> record<message: string> {
    let objects = placed $ctx
    for object in $objects { present $ctx $object }
    let wanted = $objects | where kind == "Deployment" | first
    let there = await-rollout $ctx $wanted ($wanted.spec.progressDeadlineSeconds * 1sec)
    {message: $"($there.status.availableReplicas) of ($there.spec.replicas) replicas of Deployment ($ctx.installation) are available"}
}

# Deletes what carries this Installation's uid, and nothing else.
export def uninstall [ctx: record]: nothing -> record<message: string> {
    mut done = []
    for kind in [[apiVersion name]; ["apps/v1" "Deployment"] ["v1" "Service"] ["v1" "ConfigMap"]] {
        let was = remove $ctx {apiVersion: $kind.apiVersion, kind: $kind.name, metadata: {name: $ctx.installation}}
        $done ++= [$"($kind.name) ($was)"]
    }
    {message: ($done | str join ", ")}
}

def service [metadata: record, port: int]: nothing -> record {
    {apiVersion: "v1", kind: "Service", metadata: $metadata, spec: {ports: [{name: "buildkit", port: $port, protocol: "TCP", targetPort: "buildkit"}]}}
}

def deployment [v: record, metadata: record, files: record, port: int]: nothing -> record {
    {
        apiVersion: "apps/v1"
        kind: "Deployment"
        metadata: $metadata
        spec: {
            replicas: 1
            progressDeadlineSeconds: $v.patience_s
            selector: {matchLabels: {}}
            template: {
                # With another configuration, another pod: it is read at the start alone.
                metadata: {labels: {}, annotations: {"buildkit/config": ($files | to json --raw | hash sha256)}}
                spec: (pod $v $port)
            }
        }
    }
}

# Builds make user namespaces and mount in them, which the usual profiles of seccomp and AppArmor deny. So the pod asks for no profile;
# `unconfined` has a node that gives one unasked leave it off.
def pod [v: record, port: int]: nothing -> record {
    let confinement = if $v.unconfined { {seccompProfile: {type: "Unconfined"}, appArmorProfile: {type: "Unconfined"}} } else { {} }
    let tls = if $v.tls_secret == "" { [] } else { [{name: "tls", secret: {secretName: $v.tls_secret, defaultMode: 0o440}}] }
    {
        automountServiceAccountToken: false
        enableServiceLinks: false
        securityContext: ({runAsNonRoot: true, runAsUser: $USER, runAsGroup: $USER, fsGroup: $USER} | merge $confinement)
        containers: [(container $v $port)]
        volumes: ([
            {name: "config", configMap: {name: $NAME}}
            {name: "state", emptyDir: {}}
            {name: "sockets", emptyDir: {}}
        ] ++ $tls)
    }
}

def container [v: record, port: int]: nothing -> record {
    let asks = {timeoutSeconds: 10, periodSeconds: 15} | merge (probe $v $port)
    let tls = if $v.tls_secret == "" { [] } else { [{name: "tls", mountPath: $TLS, readOnly: true}] }
    {
        name: "buildkitd"
        image: $v.image
        args: ["--config=/etc/buildkit/buildkitd.toml"]
        ports: [{name: "buildkit", containerPort: $port, protocol: "TCP"}]
        resources: {requests: {cpu: "100m", memory: "256Mi"}, limits: {memory: $"($v.memory_mib)Mi"}}
        # newuidmap and newgidmap give the daemon its user namespace: they, and nothing else, become more than they are started as.
        securityContext: {allowPrivilegeEscalation: true, capabilities: {drop: ["ALL"], add: ["SETUID" "SETGID"]}}
        readinessProbe: $asks
        livenessProbe: ($asks | merge {failureThreshold: 4, initialDelaySeconds: 15})
        volumeMounts: ([
            {name: "config", mountPath: "/etc/buildkit", readOnly: true}
            {name: "state", mountPath: $v.root}
            {name: "sockets", mountPath: $SOCKETS}
        ] ++ $tls)
    }
}

# The daemon is asked on an address that needs no certificate; where there is none, it is enough that it listens.
def probe [v: record, port: int]: nothing -> record {
    let open = $v.addresses | where $it =~ '^(unix://|tcp://127\.0\.0\.1:)'
    if ($open | is-empty) { return {tcpSocket: {port: "buildkit"}} }
    {exec: {command: ["buildctl" $"--addr=($open | first)" "debug" "workers"]}}
}

# The configured objects with what only the Installation knows: its name and its uid.
def placed [ctx: record]: nothing -> list<record> {
    let labels = {app.kubernetes.io/name: $NAME, app.kubernetes.io/instance: $ctx.installation}
    let own = $labels | merge {$OWNER: $ctx.uid}
    mut all = []
    for object in $ctx.config.objects {
        let named = $object | update metadata.name $ctx.installation | update metadata.labels $labels
        $all ++= [(match $object.kind {
            "Service" => ($named | upsert spec.selector $own)
            # The selector cannot be changed, so it has no uid: who is given what another left keeps its pods.
            "Deployment" => ($named
                | update spec.selector.matchLabels $labels
                | update spec.template.metadata.labels $own
                | update spec.template.spec.volumes.0.configMap.name $ctx.installation)
            _ => $named
        })]
    }
    $all
}

# PostgreSQL in Kubernetes: a StatefulSet of one pod, a Service, the configuration, the data and a password, and the hooks that
# install them. The versions have it in common.

use ./check.nu
use provider/kube [OWNER apply await-rollout keep present read remove]

const NAME = "postgresql" # of the objects; install puts the Installation's name in its place
const TLS = "/tls" # where the files of tls_secret are
const HERE = [localhost "127.0.0.1" "::1"] # what nobody else reaches

# The optional values that these hooks take, with what they are when left out.
export const DEFAULTS = {
    storage: "10Gi"
    storage_class: ""
    password_secret: ""
    tls_secret: ""
    user_id: 999
    patience_s: 300
}

# Checks these, and the image.
export def validate [v: record]: nothing -> nothing {
    check image $v image
    check pattern $v '[1-9][0-9]{0,5}(Mi|Gi|Ti)' "a size such as 10Gi" storage
    check name $v ...(check filled $v storage_class password_secret tls_secret)
    check between $v 1 65535 user_id
    check between $v 1 3600 patience_s
    if $v.tls_secret == "" { return }
    if $v.tls_cert == "" { check fail "tls_secret is set without tls_cert and tls_key" $"set them to its files, such as ($TLS)/tls.crt" }
    check pattern $v $'($TLS)/[A-Za-z0-9._-]+' $"a file of tls_secret, such as ($TLS)/tls.crt" ...(check filled $v tls_cert tls_key tls_ca)
}

# The objects of checked values, all but the password, which chance makes.
export def objects [v: record, files: record]: nothing -> list<record> {
    [(config-map $files) (claim $v) (service $v) (stateful-set $v $files)]
}

# What the hooks go by, beside the objects.
export def terms [v: record]: nothing -> record {
    {
        patience_s: $v.patience_s
        own_password: ($v.password_secret == "")
        lacks_tls: ($v.tls_cert != "" and $v.tls_secret == "")
        reachable: (($v.listen_addresses | any {|at| $at not-in $HERE }) and ($v.access | any {|rule| $rule.type? != "local" }))
    }
}

# Makes the objects, or makes them as they are configured now; the password once.
export def install [ctx: record]: nothing -> record<message: string> {
    let name = {installation: $ctx.installation}
    check pattern $name '[a-z]([a-z0-9-]{0,50}[a-z0-9])?' "the Installation a name of lower-case letters, digits and -, at most 52 long" installation
    if $ctx.config.terms.lacks_tls {
        fail "tls_cert is set without tls_secret: no pod would have that file" $"name the Secret that has it in tls_secret; its files are in ($TLS)" "NoFiles"
    }
    let objects = placed $ctx
    expect-own-data $ctx
    let password = if $ctx.config.terms.own_password {
        $"Secret (secret-name $ctx) is (keep $ctx (secret $ctx))"
    } else { "the password is that of password_secret" }
    for object in $objects { apply $ctx $object }
    let note = if $ctx.config.terms.reachable { "" } else { "; no other pod gets in by these values: set listen_addresses and access" }
    {message: $"ConfigMap, PersistentVolumeClaim, Service and StatefulSet ($ctx.installation) are applied, ($password)($note)"}
}

# Looks at each object, and waits until PostgreSQL answers.
export def verify [ctx: record]: nothing -> record<message: string> {
    let objects = placed $ctx
    for object in $objects { present $ctx $object }
    if $ctx.config.terms.own_password { present $ctx {apiVersion: "v1", kind: "Secret", metadata: {name: (secret-name $ctx)}} }
    let wanted = $objects | where kind == "StatefulSet" | first
    let there = await-rollout $ctx $wanted ($ctx.config.terms.patience_s * 1sec)
    let port = $objects | where kind == "Service" | get 0.spec.ports.0.port
    let at = $"($ctx.installation).($ctx.namespace):($port)"
    {message: $"($there.status.availableReplicas) of ($there.spec.replicas) replicas of StatefulSet ($ctx.installation) are available, at ($at)"}
}

# Deletes what carries this Installation's uid, and never the data nor its password.
export def uninstall [ctx: record]: nothing -> record<message: string> {
    mut done = []
    for kind in [[apiVersion name]; ["apps/v1" "StatefulSet"] ["v1" "Service"] ["v1" "ConfigMap"]] {
        let was = remove $ctx {apiVersion: $kind.apiVersion, kind: $kind.name, metadata: {name: $ctx.installation}}
        $done ++= [$"($kind.name) ($was)"]
    }
    {message: $"($done | str join ', '); PersistentVolumeClaim (claim-name $ctx) and Secret (secret-name $ctx) stay, with the data and its password"}
}

# Ends the hook, with a code that is shown whatever else is hidden.
def fail [msg: string, help: string, code: string]: nothing -> error {
    error make --unspanned {msg: $msg, help: $help, code: $"postgresql::($code)"}
}

def claim-name [ctx: record]: nothing -> string { $"($ctx.installation)-data" }
def secret-name [ctx: record]: nothing -> string { $"($ctx.installation)-password" }

# What an Installation of this name left when it went has another uid, and is not taken without a word; nor is data
# whose password is not known.
def expect-own-data [ctx: record]: nothing -> nothing {
    let data = left $ctx {apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: {name: (claim-name $ctx)}}
    if not $ctx.config.terms.own_password { return }
    let secret = left $ctx {apiVersion: "v1", kind: "Secret", metadata: {name: (secret-name $ctx)}}
    if $data != null and $secret == null {
        (fail $"PersistentVolumeClaim (claim-name $ctx) has data, and Secret (secret-name $ctx) with its password is gone"
            $"name a Secret with the password in password_secret, or delete the PersistentVolumeClaim to begin without the data" "PasswordGone")
    }
}

def left [ctx: record, object: record]: nothing -> any {
    try { read $ctx $object } catch {|e|
        let error = $e.details
        if $error.code? != "kube::Foreign" {
            error make --unspanned {msg: $error.msg, help: ($error.help? | default ""), code: ($error.code? | default "postgresql::Unread")}
        }
        let kept = $"pvc/(claim-name $ctx) secret/(secret-name $ctx)"
        let command = $"kubectl label --overwrite -n ($ctx.namespace) ($kept) ($OWNER)=($ctx.uid)"
        (fail $error.msg
            $"to go on with the data that is there: ($command); to begin without, delete both; or give this Installation another name"
            "ForeignData")
    }
}

def secret [ctx: record]: nothing -> record {
    {
        apiVersion: "v1"
        kind: "Secret"
        metadata: {name: (secret-name $ctx)}
        type: "kubernetes.io/basic-auth"
        data: {username: ("postgres" | encode base64), password: (random chars --length 32 | encode base64)}
    }
}

def config-map [files: record]: nothing -> record {
    {apiVersion: "v1", kind: "ConfigMap", metadata: {name: $NAME}, data: $files}
}

# Not of the StatefulSet's own making: this one is named after the Installation, can grow, and goes with nothing.
def claim [v: record]: nothing -> record {
    let class = if $v.storage_class == "" { {} } else { {storageClassName: $v.storage_class} }
    {
        apiVersion: "v1"
        kind: "PersistentVolumeClaim"
        metadata: {name: $"($NAME)-data"}
        spec: ({accessModes: ["ReadWriteOnce"], resources: {requests: {storage: $v.storage}}} | merge $class)
    }
}

def service [v: record]: nothing -> record {
    {
        apiVersion: "v1"
        kind: "Service"
        metadata: {name: $NAME}
        spec: {ports: [{name: "postgresql", port: $v.port, protocol: "TCP", targetPort: "postgresql"}]}
    }
}

def stateful-set [v: record, files: record]: nothing -> record {
    {
        apiVersion: "apps/v1"
        kind: "StatefulSet"
        metadata: {name: $NAME}
        spec: {
            replicas: 1
            serviceName: $NAME
            minReadySeconds: 5 # the image answers for a moment while it makes the database
            selector: {matchLabels: {}}
            template: {
                # With another configuration, another pod: some of it is read at the start alone.
                metadata: {labels: {}, annotations: {"postgresql/config": ($files | to json --raw | hash sha256)}}
                spec: (pod $v)
            }
        }
    }
}

def pod [v: record]: nothing -> record {
    let secret = if $v.password_secret == "" { $"($NAME)-password" } else { $v.password_secret }
    let tls = if $v.tls_secret == "" { [] } else { [{name: "tls", secret: {secretName: $v.tls_secret, defaultMode: 0o440}}] }
    {
        automountServiceAccountToken: false
        enableServiceLinks: false
        terminationGracePeriodSeconds: 60
        securityContext: {
            runAsNonRoot: true, runAsUser: $v.user_id, runAsGroup: $v.user_id, fsGroup: $v.user_id
            fsGroupChangePolicy: "OnRootMismatch", seccompProfile: {type: "RuntimeDefault"}
        }
        containers: [(container $v)]
        volumes: ([
            {name: "data", persistentVolumeClaim: {claimName: $"($NAME)-data"}}
            {name: "config", configMap: {name: $NAME}}
            {name: "password", secret: {secretName: $secret, defaultMode: 0o440, items: [{key: "password", path: "password"}]}}
            {name: "run", emptyDir: {}}
            {name: "tmp", emptyDir: {}}
            {name: "shm", emptyDir: {medium: "Memory", sizeLimit: $"($v.memory_mib // 4)Mi"}}
        ] ++ $tls)
    }
}

def container [v: record]: nothing -> record {
    let asks = {exec: {command: ["pg_isready", "--quiet", "--host=/var/run/postgresql", $"--port=($v.port)"]}, timeoutSeconds: 5, periodSeconds: 5}
    let memory = $"($v.memory_mib)Mi"
    let tls = if $v.tls_secret == "" { [] } else { [{name: "tls", mountPath: $TLS, readOnly: true}] }
    {
        name: "postgresql"
        image: $v.image
        args: ["-c" "config_file=/etc/postgresql/postgresql.conf" "-c" "hba_file=/etc/postgresql/pg_hba.conf"]
        env: [
            {name: "PGDATA", value: "/var/lib/postgresql/data/pgdata"}
            {name: "POSTGRES_PASSWORD_FILE", value: "/run/password/password"}
            {name: "POSTGRES_INITDB_ARGS", value: "--auth-local=peer --auth-host=scram-sha-256"}
        ]
        ports: [{name: "postgresql", containerPort: $v.port, protocol: "TCP"}]
        resources: {requests: {cpu: "100m", memory: $memory}, limits: {memory: $memory}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: ["ALL"]}}
        startupProbe: ($asks | merge {failureThreshold: 120}) # it may have to read much WAL first
        readinessProbe: $asks
        livenessProbe: ($asks | merge {failureThreshold: 6})
        volumeMounts: ([
            {name: "data", mountPath: "/var/lib/postgresql/data"}
            {name: "config", mountPath: "/etc/postgresql", readOnly: true}
            {name: "password", mountPath: "/run/password", readOnly: true}
            {name: "run", mountPath: "/var/run/postgresql"}
            {name: "tmp", mountPath: "/tmp"}
            {name: "shm", mountPath: "/dev/shm"}
        ] ++ $tls)
    }
}

# The configured objects with what only the Installation knows: its name and its uid.
def placed [ctx: record]: nothing -> list<record> {
    let labels = {app.kubernetes.io/name: $NAME, app.kubernetes.io/instance: $ctx.installation}
    let own = $labels | merge {$OWNER: $ctx.uid}
    mut all = []
    for object in $ctx.config.objects {
        let named = $object | update metadata.name {|d| $d.metadata.name | str replace $NAME $ctx.installation } | upsert metadata.labels $labels
        $all ++= [(match $object.kind {
            "Service" => ($named | upsert spec.selector $own)
            "StatefulSet" => (placed-set $ctx $named $labels $own)
            _ => $named
        })]
    }
    $all
}

# The selector cannot be changed, so it has no uid: who is given what another left keeps its pods.
def placed-set [ctx: record, set: record, labels: record, own: record]: nothing -> record {
    mut volumes = []
    for volume in $set.spec.template.spec.volumes {
        $volumes ++= [(match $volume.name {
            "data" => ($volume | update persistentVolumeClaim.claimName (claim-name $ctx))
            "config" => ($volume | update configMap.name $ctx.installation)
            "password" if $ctx.config.terms.own_password => ($volume | update secret.secretName (secret-name $ctx))
            _ => $volume
        })]
    }
    ($set
        | update spec.serviceName $ctx.installation
        | update spec.selector.matchLabels $labels
        | update spec.template.metadata.labels $own
        | update spec.template.spec.volumes $volumes)
}

# BuildKit on containerd or with a worker of its own: buildkitd.toml, and the ConfigMap that brings it into Kubernetes. What has a worker of
# its own runs in a pod there.

use ./check.nu
use ./rootless.nu
export use ./rootless.nu [install verify uninstall]
use taskserv/containerd

const NAME = "buildkitd"
const PORT = 1234 # the usual one for TCP

# For extensions that depend on this one: where clients look for the daemon, by the name they have for it,
# and what such an address looks like.
export const BUILDKIT_HOST = $"tcp://($NAME):($PORT)"
export const TCP_ADDRESS = 'tcp://[a-z0-9]+([.-][a-z0-9]+)*:[1-9][0-9]{0,4}'

# The optional values of the daemon, with what they are when left out.
const DEFAULTS = {
    name: $NAME
    root: "/var/lib/buildkit"
    addresses: ["unix:///run/buildkit/buildkitd.sock"]
    tls_cert: ""
    tls_key: ""
    tls_ca: ""
    worker: "containerd"
    containerd_socket: $containerd.SOCKET
    containerd_namespace: "buildkit"
    snapshotter: "overlayfs"
    platforms: []
    max_parallelism: 4
    cache_reserved: "10GB"
    cache_max: "80%"
    disk_free: "20%"
    entitlements: []
    registry_mirrors: {}
    debug: false
}

# Makes `buildkitd.toml`, and a ConfigMap of the same text; with the worker `oci` also what runs it.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] ($DEFAULTS | merge $rootless.DEFAULTS)
    validate $v
    if $v.worker == "oci" { rootless validate $v }
    let files = {buildkitd.toml: (daemon $v | to toml)}
    let config_map = {apiVersion: "v1", kind: "ConfigMap", metadata: (metadata $v), data: $files}
    let pods = if $v.worker == "oci" { rootless objects $v (metadata $v) $files $PORT } else { [] }
    {files: $files, objects: ([$config_map] ++ $pods)}
}

def metadata [v: record]: nothing -> record {
    {name: $v.name, labels: {app.kubernetes.io/name: "buildkitd"}}
}

def validate [v: record]: nothing -> nothing {
    check name $v name containerd_namespace
    check path $v root containerd_socket ...(check filled $v tls_cert tls_key tls_ca)
    check together $v tls_cert tls_key tls_ca
    check one-of $v [containerd oci] worker
    check one-of $v [overlayfs native stargz] snapshotter
    check image $v image
    check name $v ...(check filled $v tls_secret)
    check between $v 256 16777216 memory_mib
    check between $v 1 3600 patience_s
    check pattern $v '(linux|windows)/[a-z0-9]+(/v[0-9])?' "a platform such as linux/arm64" platforms
    check between $v 1 1024 max_parallelism
    check pattern $v '[1-9][0-9]{0,5}(MB|GB|TB)|[1-9][0-9]?%' "a size such as 50GB or 20%" cache_reserved cache_max disk_free
    check one-of $v ["network.host" "security.insecure" device] entitlements
    validate-addresses $v
    for mirror in ($v.registry_mirrors | transpose registry hosts) {
        if ($mirror.hosts | describe) !~ '^list' or ($mirror.hosts | is-empty) {
            check fail $"registry_mirrors has no list of hosts for ($mirror.registry)" "give one host or more"
        }
        let names = {registry_mirrors: ([$mirror.registry] ++ $mirror.hosts)}
        check pattern $names '[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9._-]+)*' "registries such as docker.io" registry_mirrors
    }
}

# Whoever reaches the daemon can run code on its machine, so a TCP address asks for certificates.
def validate-addresses [v: record]: nothing -> nothing {
    if ($v.addresses | is-empty) { check fail "addresses is empty" "give one address or more" }
    check pattern $v $'unix:///[A-Za-z0-9._/-]+|($TCP_ADDRESS)' $"an address such as unix:///run/buildkit/buildkitd.sock or tcp://0.0.0.0:($PORT)" addresses
    if $v.tls_cert == "" and ($v.addresses | any {|address| $address =~ '^tcp://' and $address !~ '^tcp://127\.0\.0\.1:' }) {
        check fail "a tcp address needs tls_cert, tls_key and tls_ca" "set them, or listen on a unix socket"
    }
}

# The daemon's configuration; what is absent stays at BuildKit's default.
def daemon [v: record]: nothing -> record {
    let tls = if $v.tls_cert == "" { {} } else { {tls: {cert: $v.tls_cert, key: $v.tls_key, ca: $v.tls_ca}} }
    let platforms = if ($v.platforms | is-empty) { {} } else { {platforms: $v.platforms} }
    let registries = $v.registry_mirrors | items {|registry, hosts| {$registry: {mirrors: $hosts}} } | into record
    {
        debug: $v.debug
        root: $v.root
        insecure-entitlements: $v.entitlements
        grpc: ({address: $v.addresses} | merge $tls)
        worker: (if $v.worker == "oci" {
            # Without rights there is no /proc of its own for a build step.
            {oci: ({enabled: true, rootless: true, noProcessSandbox: true} | merge (limits $v) | merge $platforms), containerd: {enabled: false}}
        } else {
            let at = {enabled: true, address: $v.containerd_socket, namespace: $v.containerd_namespace}
            {oci: {enabled: false}, containerd: ($at | merge (limits $v) | merge $platforms)}
        })
        registry: $registries
    }
}

# What both workers have in common.
def limits [v: record]: nothing -> record {
    {
        snapshotter: $v.snapshotter
        max-parallelism: $v.max_parallelism
        gc: true
        reservedSpace: $v.cache_reserved
        maxUsedSpace: $v.cache_max
        minFreeSpace: $v.disk_free
    }
}

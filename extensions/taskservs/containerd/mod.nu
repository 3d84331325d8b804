# containerd 2: config.toml (format 3) and one hosts.toml for each mirrored registry.

use ./check.nu

const RUNTIME = "io.containerd.cri.v1.runtime"
const IMAGES = "io.containerd.cri.v1.images"
const TRANSFER = "io.containerd.transfer.v1.local"

# For extensions that depend on this one: what they find where nothing else is configured.
export const SOCKET = "/run/containerd/containerd.sock" # the API's
export const SYSTEMD_CGROUP = true # the kubelet must be set alike

# The optional values, with what they are when left out.
const DEFAULTS = {
    root: "/var/lib/containerd"
    state: "/run/containerd"
    socket: $SOCKET
    registry_dir: "/etc/containerd/certs.d"
    snapshotter: "overlayfs"
    systemd_cgroup: $SYSTEMD_CGROUP
    selinux: false
    sandbox_image: "registry.k8s.io/pause:3.10"
    cni_bin_dir: "/opt/cni/bin"
    cni_conf_dir: "/etc/cni/net.d"
    max_concurrent_downloads: 3
    registry_mirrors: {}
    metrics_address: ""
    log_level: "info"
}

# Makes `config.toml` and `certs.d/<registry>/hosts.toml`.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] $DEFAULTS
    validate $v
    let mirrors = $v.registry_mirrors
        | items {|registry, urls| {$"certs.d/($registry)/hosts.toml": (hosts $registry $urls)} }
        | into record
    {files: ({config.toml: (daemon $v | to toml)} | merge $mirrors), objects: []}
}

def validate [v: record]: nothing -> nothing {
    check path $v root state socket registry_dir cni_bin_dir cni_conf_dir
    if $v.root == $v.state {
        check fail $"root and state are both ($v.root)" "give them different folders"
    }
    check one-of $v [overlayfs native btrfs zfs erofs] snapshotter
    check pattern $v '[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9._-]+)+(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?' "an image with its registry, such as registry.k8s.io/pause:3.10" sandbox_image
    check between $v 1 64 max_concurrent_downloads
    check one-of $v [trace debug info warn error fatal panic] log_level
    check pattern $v '[a-z0-9]+([.-][a-z0-9]+)*:[1-9][0-9]{0,4}' "an address such as 127.0.0.1:1338" ...(check filled $v metrics_address)
    for mirror in ($v.registry_mirrors | transpose registry urls) {
        check pattern {registry_mirrors: $mirror.registry} '_default|[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?' "a registry such as docker.io, or _default" registry_mirrors
        if ($mirror.urls | describe) !~ '^list' or ($mirror.urls | is-empty) {
            check fail $"registry_mirrors has no list of addresses for ($mirror.registry)" "give one address or more"
        }
        check url {registry_mirrors: $mirror.urls} registry_mirrors
    }
}

# The daemon's configuration; what is absent stays at containerd's default.
def daemon [v: record]: nothing -> record {
    {
        version: 3
        root: $v.root
        state: $v.state
        grpc: {address: $v.socket}
        debug: {level: $v.log_level}
        metrics: {address: $v.metrics_address}
        plugins: {
            $IMAGES: {
                snapshotter: $v.snapshotter
                pinned_images: {sandbox: $v.sandbox_image}
                registry: {config_path: $v.registry_dir}
            }
            $RUNTIME: {
                enable_selinux: $v.selinux
                containerd: {
                    default_runtime_name: "runc"
                    runtimes: {
                        runc: {
                            runtime_type: "io.containerd.runc.v2"
                            options: {SystemdCgroup: $v.systemd_cgroup}
                        }
                    }
                }
                cni: {bin_dirs: [$v.cni_bin_dir], conf_dir: $v.cni_conf_dir}
            }
            # Since 2.1 the transfer service pulls images, also for Kubernetes.
            $TRANSFER: {max_concurrent_downloads: $v.max_concurrent_downloads}
        }
    }
}

# The mirrors in the order given; the registry itself is asked last.
def hosts [registry: string, urls: list<string>]: nothing -> string {
    let hosts = $urls | each {|url| {$url: {capabilities: [pull resolve]}} } | into record
    let upstream = if $registry == "docker.io" { "registry-1.docker.io" } else { $registry }
    let server = if $registry == "_default" { {} } else { {server: $"https://($upstream)"} }
    $server | merge {host: $hosts} | to toml
}

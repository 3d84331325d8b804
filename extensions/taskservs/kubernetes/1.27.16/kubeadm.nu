# The kubeadm configuration (v1beta3) of Kubernetes 1.27 to 1.29, from checked values.

use ./check.nu
use taskserv/containerd
use taskserv/etcd [CLIENT_PORT]

# The required values.
export const REQUIRED = [control_plane_endpoint]

# The optional values that these versions have in common, with what they are when left out.
export const DEFAULTS = {
    cluster_name: "kubernetes"
    node_name: ""
    advertise_address: ""
    api_port: 6443
    cert_sans: []
    pod_subnet: "10.244.0.0/16"
    service_subnet: "10.96.0.0/12"
    dns_domain: "cluster.local"
    image_repository: "registry.k8s.io"
    cri_socket: $"unix://($containerd.SOCKET)"
    cgroup_driver: (if $containerd.SYSTEMD_CGROUP { "systemd" } else { "cgroupfs" }) # as the runtime has it
    max_pods: 110
    schedule_on_control_plane: false
    proxy_mode: "iptables"
    etcd_data_dir: "/var/lib/etcd"
    etcd_endpoints: []
    etcd_ca: ""
    etcd_cert: ""
    etcd_key: ""
}

# Checks what these versions have in common.
export def validate [v: record]: nothing -> nothing {
    check name $v cluster_name
    validate-endpoint $v.control_plane_endpoint
    check host $v dns_domain cert_sans ...(check filled $v node_name)
    check ip $v ...(check filled $v advertise_address)
    check port $v api_port
    check pattern $v '[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9._-]+)*' "a registry such as registry.k8s.io" image_repository
    check pattern $v 'unix:///[A-Za-z0-9._/-]+' $"a socket such as ($DEFAULTS.cri_socket)" cri_socket
    check one-of $v [systemd cgroupfs] cgroup_driver
    check between $v 1 512 max_pods
    validate-networks $v
    validate-etcd $v
}

# Other nodes join through this address, so it may not change later.
def validate-endpoint [endpoint: string]: nothing -> nothing {
    let parts = $endpoint | parse --regex '\A(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<host>[^:\[\]]+))(?::(?<port>[1-9][0-9]{0,4}))?\z'
    let fits = match $parts {
        [$p] => ((check is-host $"($p.v6)($p.host)") and (($p.port | default --empty "1" | into int) <= 65535))
        _ => false
    }
    if not $fits {
        check fail $"control_plane_endpoint is ($endpoint | to json --raw)" "give HOST or HOST:PORT, such as api.example.org:6443"
    }
}

# The sizes are those that kubeadm, the API server and the controller manager accept.
def validate-networks [v: record]: nothing -> nothing {
    check cidr $v pod_subnet service_subnet
    let pods = network $v.pod_subnet
    let services = network $v.service_subnet
    if $pods.v6 != $services.v6 {
        check fail "pod_subnet and service_subnet are of different IP families" "give two IPv4 or two IPv6 networks"
    }
    let limits = if $pods.v6 { {pods: 64, low: 108, high: 124} } else { {pods: 24, low: 12, high: 28} }
    if $pods.prefix > $limits.pods {
        check fail $"pod_subnet ($v.pod_subnet) is too small for one node" $"give a prefix of at most /($limits.pods)"
    }
    if $services.prefix < $limits.low or $services.prefix > $limits.high {
        check fail $"service_subnet ($v.service_subnet) is too large or too small" $"give a prefix from /($limits.low) to /($limits.high)"
    }
    if not $pods.v6 and $pods.first <= $services.last and $services.first <= $pods.last {
        check fail $"pod_subnet ($v.pod_subnet) and service_subnet ($v.service_subnet) overlap" "give two networks that share no address"
    }
}

# A network's family, prefix and, for IPv4, its first and last address as numbers.
def network [cidr: string]: nothing -> record {
    let parts = $cidr | split row "/"
    let prefix = $parts.1 | into int
    if (check is-ipv6 $parts.0) { return {v6: true, prefix: $prefix} }
    let address = $parts.0 | split row "." | into int | reduce {|octet, sum| $sum * 256 + $octet }
    let size = 2 ** (32 - $prefix)
    let first = $address // $size * $size
    {v6: false, prefix: $prefix, first: $first, last: ($first + $size - 1)}
}

def validate-etcd [v: record]: nothing -> nothing {
    check path $v etcd_data_dir ...(check filled $v etcd_ca etcd_cert etcd_key)
    check together $v etcd_ca etcd_cert etcd_key
    check pattern $v 'https?://[A-Za-z0-9.:\[\]-]+:[1-9][0-9]{0,4}' $"an address such as https://10.0.0.10:($CLIENT_PORT)" etcd_endpoints
    let secure = $v.etcd_endpoints | any { str starts-with "https:" }
    if $secure and $v.etcd_ca == "" {
        check fail "etcd_endpoints are https without etcd_ca, etcd_cert and etcd_key" "set the three files of the client certificate"
    }
    if $v.etcd_ca != "" and not $secure {
        check fail "etcd_ca is set without an https address in etcd_endpoints" "add the endpoints, or leave the certificate files out"
    }
}

# kubeadm.yaml: what `kubeadm init --config` reads.
#
# `kubelet` and `proxy` are what the version adds to the kubelet's and kube-proxy's own configuration.
export def documents [v: record, version: string, kubelet: record, proxy: record]: nothing -> string {
    [
        (init $v)
        (cluster $v $version)
        ({
            apiVersion: "kubelet.config.k8s.io/v1beta1"
            kind: "KubeletConfiguration"
            cgroupDriver: $v.cgroup_driver
            maxPods: $v.max_pods
            rotateCertificates: true
            seccompDefault: true
        } | merge $kubelet)
        ({
            apiVersion: "kubeproxy.config.k8s.io/v1alpha1"
            kind: "KubeProxyConfiguration"
            mode: $v.proxy_mode
        } | merge $proxy)
    ] | each { yaml } | str join "---\n"
}

def init [v: record]: nothing -> record {
    let endpoint = {bindPort: $v.api_port} | merge (given advertiseAddress $v.advertise_address)
    let taints = if $v.schedule_on_control_plane { {taints: []} } else { {} }
    {
        apiVersion: "kubeadm.k8s.io/v1beta3"
        kind: "InitConfiguration"
        localAPIEndpoint: $endpoint
        nodeRegistration: ({criSocket: $v.cri_socket} | merge (given name $v.node_name) | merge $taints)
    }
}

def cluster [v: record, version: string]: nothing -> record {
    {
        apiVersion: "kubeadm.k8s.io/v1beta3"
        kind: "ClusterConfiguration"
        clusterName: $v.cluster_name
        kubernetesVersion: $"v($version)"
        controlPlaneEndpoint: $v.control_plane_endpoint
        imageRepository: $v.image_repository
        apiServer: {certSANs: $v.cert_sans}
        networking: {
            podSubnet: $v.pod_subnet
            serviceSubnet: $v.service_subnet
            dnsDomain: $v.dns_domain
        }
        etcd: (etcd $v)
    }
}

# etcd on this node run by kubeadm, or the cluster whose endpoints are given.
def etcd [v: record]: nothing -> record {
    if ($v.etcd_endpoints | is-empty) { return {local: {dataDir: $v.etcd_data_dir}} }
    let client = (given caFile $v.etcd_ca) | merge (given certFile $v.etcd_cert) | merge (given keyFile $v.etcd_key)
    {external: ({endpoints: $v.etcd_endpoints} | merge $client)}
}

# The field, unless its text is empty.
def given [field: string, text: string]: nothing -> record {
    if $text == "" { {} } else { {$field: $text} }
}

# YAML for readers of YAML 1.1 too, who take a bare `on`, `0b1` or `1:20` for something other than text.
def yaml []: record -> string {
    let ambiguous = 'y|n|yes|no|on|off|0b[01]+|[0-9]+(?::[0-9]+)+'
    $in | to yaml | str replace --all --regex ('(?im)^([ -]*(?:[a-z]+: )?)(' + $ambiguous + ')$') '$1"$2"'
}

# Kubernetes 1.28: the configuration that `kubeadm init` reads.

use ./check.nu
use ./kubeadm.nu

const VERSION = "1.28.0"

# Makes `kubeadm.yaml` for the first node of a cluster.
export def configure [
    values: record<control_plane_endpoint: string> # HOST:PORT of the API server; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $kubeadm.REQUIRED ($kubeadm.DEFAULTS | merge {swap: false})
    kubeadm validate $v
    check one-of $v [iptables ipvs] proxy_mode
    {files: {kubeadm.yaml: (kubeadm documents $v $VERSION (swap $v.swap) {})}, objects: []}
}

# Since 1.28 (beta) pods may swap as far as their memory limit allows; the node needs cgroup v2.
def swap [enabled: bool]: nothing -> record {
    if not $enabled { return {} }
    {failSwapOn: false, featureGates: {NodeSwap: true}, memorySwap: {swapBehavior: "LimitedSwap"}}
}

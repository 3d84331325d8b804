# Kubernetes 1.27: the configuration that `kubeadm init` reads.

use ./check.nu
use ./kubeadm.nu

const VERSION = "1.27.16"

# Makes `kubeadm.yaml` for the first node of a cluster.
export def configure [
    values: record<control_plane_endpoint: string> # HOST:PORT of the API server; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $kubeadm.REQUIRED $kubeadm.DEFAULTS
    kubeadm validate $v
    check one-of $v [iptables ipvs] proxy_mode
    {files: {kubeadm.yaml: (kubeadm documents $v $VERSION {} {})}, objects: []}
}

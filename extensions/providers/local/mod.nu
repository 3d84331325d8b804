# Machines you already have: their names for /etc/hosts, and their disks as volumes
# of Kubernetes that stay on the machine they are in.

use ./check.nu

const REQUIRED = [nodes]

# The optional values, with what they are when left out.
const DEFAULTS = {
    domain: "cluster.internal"
    volumes: []
    storage_class: "local"
    reclaim_policy: "Retain"
}

# Makes `hosts`, the StorageClass and a PersistentVolume for each disk.
export def configure [
    values: record<nodes: list<record<name: string, address: string>>> # the machines; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $REQUIRED $DEFAULTS
    validate $v
    {
        files: {hosts: ($v.nodes | each {|node| $"($node.address) ($node.name).($v.domain) ($node.name)\n" } | str join)}
        objects: ([(storage-class $v)] ++ ($v.volumes | each {|volume| persistent-volume $v $volume }))
    }
}

def validate [v: record]: nothing -> nothing {
    if ($v.nodes | is-empty) { check fail "nodes is empty" "give one machine or more" }
    for node in $v.nodes {
        let node = check complete $node [name address] {}
        check name $node name
        check ip $node address
    }
    unique $v.nodes.name "two nodes have the name"
    unique $v.nodes.address "two nodes have the address"
    check host $v domain
    check name $v storage_class
    check one-of $v [Retain Delete] reclaim_policy
    for volume in $v.volumes { validate-volume $v $volume }
    unique ($v.volumes | each {|volume| $"($volume.node):($volume.path)" }) "two volumes have the place"
    unique ($v.volumes | each {|volume| volume-name $volume }) "two volumes would have the name"
}

def validate-volume [v: record, volume: any]: nothing -> nothing {
    if ($volume | describe) !~ '^record' {
        check fail $"volumes has ($volume | to json --raw)" "give records of node, path and size"
    }
    let volume = check complete $volume [] {node: "", path: "", size: ""}
    if $volume.node not-in $v.nodes.name {
        check fail $"a volume is on ($volume.node | to json --raw), which is not among nodes" $"known nodes: ($v.nodes.name | str join ', ')"
    }
    check pattern $volume '(/[A-Za-z0-9][A-Za-z0-9._-]*)+' "the path of a disk, such as /mnt/disk1" path
    if ($volume.path | str length) > 128 { check fail $"path is ($volume.path | str length) characters long" "give at most 128" }
    check pattern $volume '[1-9][0-9]{0,5}(Mi|Gi|Ti)' "a size such as 100Gi" size
}

def unique [names: list<string>, what: string]: nothing -> nothing {
    let twice = $names | uniq --repeated
    if ($twice | is-not-empty) { check fail $"($what) ($twice.0)" "make each of them different" }
}

# Local disks are not made on demand, and a pod must be placed before its volume is chosen.
def storage-class [v: record]: nothing -> record {
    {
        apiVersion: "storage.k8s.io/v1"
        kind: "StorageClass"
        metadata: {name: $v.storage_class}
        provisioner: "kubernetes.io/no-provisioner"
        reclaimPolicy: $v.reclaim_policy
        volumeBindingMode: "WaitForFirstConsumer"
    }
}

# The same disk has the same name each time: its machine and path.
def volume-name [volume: record]: nothing -> string {
    $"($volume.node)($volume.path)" | str lowercase | str replace --all --regex '[^a-z0-9]+' "-" | str trim --char "-"
}

def persistent-volume [v: record, volume: record]: nothing -> record {
    {
        apiVersion: "v1"
        kind: "PersistentVolume"
        metadata: {name: (volume-name $volume)}
        spec: {
            capacity: {storage: $volume.size}
            accessModes: [ReadWriteOnce]
            persistentVolumeReclaimPolicy: $v.reclaim_policy
            storageClassName: $v.storage_class
            local: {path: $volume.path}
            nodeAffinity: {
                required: {
                    nodeSelectorTerms: [{
                        matchExpressions: [{key: "kubernetes.io/hostname", operator: "In", values: [$volume.node]}]
                    }]
                }
            }
        }
    }
}

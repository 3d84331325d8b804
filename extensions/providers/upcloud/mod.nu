# UpCloud: the Terraform provider with a private network, and a storage class.
# Credentials are never among the values: the provider reads UPCLOUD_TOKEN.

use ./check.nu

const REQUIRED = [zone]

# The optional values, with what they are when left out.
const DEFAULTS = {
    name: "provisioning"
    network: "10.100.0.0/24"
    dhcp: true
    retry_max: 4
    retry_wait_min_s: 1
    retry_wait_max_s: 30
    request_timeout_s: 120
    storage_class: "upcloud"
    storage_tier: "maxiops"
    reclaim_policy: "Delete"
}

# Makes `upcloud.tf.json` and the StorageClass.
export def configure [
    values: record<zone: string> # such as fi-hel1; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $REQUIRED $DEFAULTS
    validate $v
    {files: {upcloud.tf.json: ((terraform $v | to json) + "\n")}, objects: [(storage-class $v)]}
}

def validate [v: record]: nothing -> nothing {
    check pattern $v '[a-z]{2}-[a-z]{3}[1-9]' "a zone such as fi-hel1" zone
    check name $v name storage_class
    check cidr $v network
    let prefix = $v.network | split row "/" | last | into int
    if ($v.network =~ ':') or $prefix < 8 or $prefix > 29 {
        check fail $"network is ($v.network)" "give an IPv4 network with a prefix from /8 to /29"
    }
    check between $v 0 20 retry_max
    check between $v 1 600 retry_wait_min_s request_timeout_s
    check between $v $v.retry_wait_min_s 600 retry_wait_max_s
    check one-of $v [maxiops standard hdd] storage_tier
    check one-of $v [Delete Retain] reclaim_policy
}

# The root module: the provider, a router and the private network behind it.
def terraform [v: record]: nothing -> record {
    {
        terraform: {required_providers: {upcloud: {source: "UpCloudLtd/upcloud", version: "~> 5.0"}}}
        provider: {
            upcloud: {
                retry_max: $v.retry_max
                retry_wait_min_sec: $v.retry_wait_min_s
                retry_wait_max_sec: $v.retry_wait_max_s
                request_timeout_sec: $v.request_timeout_s
            }
        }
        resource: {
            upcloud_router: {main: {name: $v.name}}
            upcloud_network: {
                main: {
                    name: $v.name
                    zone: $v.zone
                    router: "${upcloud_router.main.id}"
                    ip_network: {address: $v.network, family: "IPv4", dhcp: $v.dhcp}
                }
            }
        }
    }
}

# The UpCloud driver's class; a volume is made where its first pod is placed.
def storage-class [v: record]: nothing -> record {
    {
        apiVersion: "storage.k8s.io/v1"
        kind: "StorageClass"
        metadata: {name: $v.storage_class}
        provisioner: "storage.csi.upcloud.com"
        parameters: {tier: $v.storage_tier}
        allowVolumeExpansion: true
        reclaimPolicy: $v.reclaim_policy
        volumeBindingMode: "WaitForFirstConsumer"
    }
}

# Amazon Web Services: the client's profile, the cloud controller's settings and a
# storage class for EBS volumes. Credentials are never among the values.

use ./check.nu

const REQUIRED = [region]

# The optional values, with what they are when left out.
const DEFAULTS = {
    profile: "default"
    role_arn: ""
    source_profile: ""
    credential_source: ""
    retry_mode: "standard"
    max_attempts: 3
    fips: false
    cluster_id: ""
    vpc: ""
    subnet: ""
    storage_class: "gp3"
    volume_type: "gp3"
    volume_iops: 0
    encrypted: true
}

# Makes `config`, with a cluster_id `cloud.conf`, and the StorageClass.
export def configure [
    values: record<region: string> # such as eu-central-1; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $REQUIRED $DEFAULTS
    validate $v
    let cloud = if $v.cluster_id == "" { {} } else { {cloud.conf: (cloud $v)} }
    {files: ({config: (profile $v)} | merge $cloud), objects: [(storage-class $v)]}
}

def validate [v: record]: nothing -> nothing {
    check pattern $v '[a-z]{2}(-[a-z]+)+-[1-9]' "a region such as eu-central-1" region
    check pattern $v '[A-Za-z0-9_.-]{1,64}' "a profile name of letters, digits and _ . -" profile ...(check filled $v source_profile)
    check one-of $v [standard adaptive legacy] retry_mode
    check between $v 1 20 max_attempts
    check name $v storage_class ...(check filled $v cluster_id)
    check pattern $v 'vpc-[0-9a-f]{8,17}' "an identifier such as vpc-0a1b2c3d" ...(check filled $v vpc)
    check pattern $v 'subnet-[0-9a-f]{8,17}' "an identifier such as subnet-0a1b2c3d" ...(check filled $v subnet)
    if $v.cluster_id == "" and ($v.vpc != "" or $v.subnet != "") {
        check fail "vpc and subnet are set without cluster_id" "set cluster_id, or leave them out"
    }
    validate-role $v
    validate-volume $v
}

# A role is assumed with the credentials of exactly one source.
def validate-role [v: record]: nothing -> nothing {
    check pattern $v 'arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+' "a role such as arn:aws:iam::123456789012:role/deploy" ...(check filled $v role_arn)
    check one-of $v [Environment Ec2InstanceMetadata EcsContainer] ...(check filled $v credential_source)
    let sources = check filled $v source_profile credential_source | length
    if $v.role_arn != "" and $sources != 1 {
        check fail "role_arn needs one source of credentials" "set either source_profile or credential_source"
    }
    if $v.role_arn == "" and $sources > 0 {
        check fail "source_profile and credential_source need role_arn" "set role_arn, or leave them out"
    }
}

# The limits of the volume types.
def validate-volume [v: record]: nothing -> nothing {
    check one-of $v [gp2 gp3 io1 io2 st1 sc1] volume_type
    match $v.volume_type {
        "gp3" => { if $v.volume_iops != 0 { check between $v 3000 16000 volume_iops } }
        "io1" | "io2" => { check between $v 100 64000 volume_iops }
        _ => {
            if $v.volume_iops != 0 { check fail $"volume_iops is set for ($v.volume_type)" "leave it out, or use gp3, io1 or io2" }
        }
    }
}

# The client's profile, as ~/.aws/config has it.
def profile [v: record]: nothing -> string {
    let title = if $v.profile == "default" { "default" } else { $"profile ($v.profile)" }
    let settings = {
        region: $v.region
        role_arn: $v.role_arn
        source_profile: $v.source_profile
        credential_source: $v.credential_source
        retry_mode: $v.retry_mode
        max_attempts: $v.max_attempts
        use_fips_endpoint: $v.fips
    }
    section $title $settings
}

# What the AWS cloud controller manager reads with --cloud-config.
def cloud [v: record]: nothing -> string {
    section "Global" {KubernetesClusterID: $v.cluster_id, VPC: $v.vpc, SubnetID: $v.subnet}
}

# A section of an INI file, without what is not set.
def section [title: string, settings: record]: nothing -> string {
    let lines = $settings | items {|key, value| if $value == "" { null } else { $"($key) = ($value)" } } | compact
    [$"[($title)]"] ++ $lines | each { $in + "\n" } | str join
}

# The EBS driver's class; a volume is made where its first pod is placed.
def storage-class [v: record]: nothing -> record {
    let iops = if $v.volume_iops == 0 { {} } else { {iops: $"($v.volume_iops)"} }
    {
        apiVersion: "storage.k8s.io/v1"
        kind: "StorageClass"
        metadata: {name: $v.storage_class}
        provisioner: "ebs.csi.aws.com"
        parameters: ({type: $v.volume_type, encrypted: $"($v.encrypted)"} | merge $iops)
        allowVolumeExpansion: true
        reclaimPolicy: "Delete"
        volumeBindingMode: "WaitForFirstConsumer"
    }
}

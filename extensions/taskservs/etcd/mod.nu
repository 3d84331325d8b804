# etcd 3.5: the environment file that etcd and its systemd unit read.

use ./check.nu

const REQUIRED = [name address]

# For extensions that depend on this one: the port for clients where no other is configured.
export const CLIENT_PORT = 2379

# The optional values, with what they are when left out.
const DEFAULTS = {
    data_dir: "/var/lib/etcd"
    client_port: $CLIENT_PORT
    peer_port: 2380
    members: {}
    cluster_state: "new"
    cluster_token: "etcd-cluster"
    quota_mib: 2048
    compaction_mode: "periodic"
    compaction_retention: "8h"
    heartbeat_ms: 100
    election_ms: 1000
    snapshot_count: 100000
    tls_cert: ""
    tls_key: ""
    tls_ca: ""
    log_level: "info"
}

# Makes `etcd.env` for one member.
export def configure [
    values: record<name: string, address: string> # the member's name and IP address; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $REQUIRED $DEFAULTS
    validate $v
    let settings = (identity $v) | merge (tuning $v) | merge (tls $v)
    {files: {etcd.env: (environment $settings)}, objects: []}
}

def validate [v: record]: nothing -> nothing {
    check name $v name
    check ip $v address
    check path $v data_dir ...(check filled $v tls_cert tls_key tls_ca)
    check together $v tls_cert tls_key tls_ca
    check port $v client_port peer_port
    if $v.client_port == $v.peer_port {
        check fail $"client_port and peer_port are both ($v.peer_port)" "give them different ports"
    }
    check one-of $v [new existing] cluster_state
    check pattern $v '[A-Za-z0-9._-]{1,64}' "a token of letters, digits and . _ -" cluster_token
    check between $v 64 8192 quota_mib
    check between $v 10 10000 heartbeat_ms
    check between $v ($v.heartbeat_ms * 5) 50000 election_ms
    check between $v 1 10000000 snapshot_count
    check one-of $v [debug info warn error panic fatal] log_level
    validate-compaction $v
    validate-members $v
}

def validate-compaction [v: record]: nothing -> nothing {
    check one-of $v [periodic revision] compaction_mode
    match $v.compaction_mode {
        "periodic" => { check pattern $v '([1-9][0-9]{0,4}[hms])+' "a duration such as 8h or 30m" compaction_retention }
        _ => { check pattern $v '[1-9][0-9]{0,8}' "a number of revisions such as 1000" compaction_retention }
    }
}

# A member list must be true of this member too, or etcd would refuse to start.
def validate-members [v: record]: nothing -> nothing {
    if ($v.members | is-empty) { return }
    let listed = $v.members | transpose name address
    check name {members: $listed.name} members
    check host {members: $listed.address} members
    if ($v.members | get --optional $v.name) != $v.address {
        check fail $"members does not list ($v.name) with address ($v.address)" "add this member, or correct its name or address"
    }
}

# Who this member is and where it is reached.
def identity [v: record]: nothing -> record {
    let scheme = if $v.tls_cert == "" { "http" } else { "https" }
    let members = if ($v.members | is-empty) { {$v.name: $v.address} } else { $v.members }
    let peer = $"($scheme)://(check in-url $v.address):($v.peer_port)"
    let client = $"($scheme)://(check in-url $v.address):($v.client_port)"
    {
        ETCD_NAME: $v.name
        ETCD_DATA_DIR: $v.data_dir
        ETCD_LISTEN_PEER_URLS: $peer
        ETCD_LISTEN_CLIENT_URLS: ([$client $"($scheme)://127.0.0.1:($v.client_port)"] | uniq | str join ",")
        ETCD_INITIAL_ADVERTISE_PEER_URLS: $peer
        ETCD_ADVERTISE_CLIENT_URLS: $client
        ETCD_INITIAL_CLUSTER: (
            $members | items {|name, host| $"($name)=($scheme)://(check in-url $host):($v.peer_port)" } | str join ","
        )
        ETCD_INITIAL_CLUSTER_STATE: $v.cluster_state
        ETCD_INITIAL_CLUSTER_TOKEN: $v.cluster_token
    }
}

def tuning [v: record]: nothing -> record {
    {
        ETCD_QUOTA_BACKEND_BYTES: ($v.quota_mib * 1024 * 1024)
        ETCD_AUTO_COMPACTION_MODE: $v.compaction_mode
        ETCD_AUTO_COMPACTION_RETENTION: $v.compaction_retention
        ETCD_HEARTBEAT_INTERVAL: $v.heartbeat_ms
        ETCD_ELECTION_TIMEOUT: $v.election_ms
        ETCD_SNAPSHOT_COUNT: $v.snapshot_count
        ETCD_LOG_LEVEL: $v.log_level
    }
}

# One certificate serves clients and peers, and both must show one of the same authority.
def tls [v: record]: nothing -> record {
    if $v.tls_cert == "" { return {} }
    let files = {CERT_FILE: $v.tls_cert, KEY_FILE: $v.tls_key, TRUSTED_CA_FILE: $v.tls_ca, CLIENT_CERT_AUTH: true}
    $files | rename --block {|key| $"ETCD_($key)" } | merge ($files | rename --block {|key| $"ETCD_PEER_($key)" })
}

# The checks leave no character that a shell or systemd would read as anything else.
def environment [settings: record]: nothing -> string {
    $settings | items {|key, value| $"($key)=\"($value)\"\n" } | str join
}

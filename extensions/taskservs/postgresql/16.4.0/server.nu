# postgresql.conf and pg_hba.conf as PostgreSQL 16 and 17 have in common, from checked values.

use ./check.nu
use ./client.nu [PGPORT]

# The optional values that these versions have in common, with what they are when left out.
export const DEFAULTS = {
    listen_addresses: [localhost]
    port: $PGPORT
    max_connections: 100
    memory_mib: 1024
    wal_level: "replica"
    max_wal_senders: 10
    archive_command: ""
    statement_timeout_ms: 0
    log_min_duration_ms: -1
    log_line_prefix: "%m [%p] "
    timezone: "Etc/UTC"
    tls_cert: ""
    tls_key: ""
    tls_ca: ""
    access: []
}

const ACCESS = {type: "hostssl", database: "all", user: "all", address: "", method: "scram-sha-256"}

# Checks what these versions have in common.
export def validate [v: record]: nothing -> nothing {
    if $v.listen_addresses != ["*"] { check host $v listen_addresses }
    check port $v port
    check between $v 4 262143 max_connections
    check between $v 256 16777216 memory_mib
    check between $v 0 262143 max_wal_senders
    check between $v 0 2147483647 statement_timeout_ms
    check between $v -1 2147483647 log_min_duration_ms
    check pattern $v '[^\x00-\x1f\x7f]*' "one line of text" archive_command log_line_prefix
    check pattern $v '[A-Za-z0-9_+/-]+' "a time zone such as Europe/Madrid" timezone
    check path $v ...(check filled $v tls_cert tls_key tls_ca)
    check together $v tls_cert tls_key
    if $v.tls_ca != "" and $v.tls_cert == "" {
        check fail "tls_ca is set without tls_cert and tls_key" "set the server's certificate too"
    }
    validate-wal $v
    for rule in $v.access { validate-access $v $rule }
}

# PostgreSQL refuses to start with these together.
def validate-wal [v: record]: nothing -> nothing {
    check one-of $v [minimal replica logical] wal_level
    if $v.wal_level == "minimal" and $v.max_wal_senders > 0 {
        check fail "max_wal_senders needs wal_level replica or logical" "raise wal_level, or set max_wal_senders to 0"
    }
    if $v.wal_level == "minimal" and $v.archive_command != "" {
        check fail "archive_command needs wal_level replica or logical" "raise wal_level, or leave archive_command out"
    }
}

# One entry of `access`: a line of pg_hba.conf.
def validate-access [v: record, entry: any]: nothing -> nothing {
    if ($entry | describe) !~ '^record' {
        check fail $"access has ($entry | to json --raw)" "give records of type, database, user, address and method"
    }
    let rule = check complete $entry [] $ACCESS
    check one-of $rule [local host hostssl hostnossl] type
    check pattern $rule '[A-Za-z_][A-Za-z0-9_$-]{0,62}' "a name of letters, digits and _ $ -" database user
    let local = $rule.type == "local"
    check one-of $rule (if $local { [peer scram-sha-256 reject trust] } else { [scram-sha-256 cert reject] }) method
    if $local != ($rule.address == "") {
        check fail $"access of type ($rule.type) has address ($rule.address | to json --raw)" "give a network to every type but local, such as 10.0.0.0/8"
    }
    if not $local and $rule.address not-in [all samehost samenet] { check cidr $rule address }
    if $rule.method == "cert" and ($rule.type != "hostssl" or $v.tls_ca == "") {
        check fail "access by cert needs type hostssl and tls_ca" "set both, or use scram-sha-256"
    }
    if $rule.type == "hostssl" and $v.tls_cert == "" {
        check fail "access of type hostssl needs tls_cert and tls_key" "set them, or use type host"
    }
}

# postgresql.conf: what the values say, then what the major version adds.
export def config [v: record, more: record]: nothing -> string {
    let tls = if $v.tls_cert == "" { {ssl: false} } else {
        {ssl: true, ssl_cert_file: $v.tls_cert, ssl_key_file: $v.tls_key, ssl_ca_file: $v.tls_ca, ssl_min_protocol_version: "TLSv1.2"}
    }
    {
        listen_addresses: ($v.listen_addresses | str join ",")
        port: $v.port
        max_connections: $v.max_connections
        password_encryption: "scram-sha-256"
    }
    | merge $tls
    | merge (memory $v.memory_mib $v.max_connections)
    | merge {
        wal_level: $v.wal_level
        max_wal_senders: $v.max_wal_senders
        archive_mode: ($v.archive_command != "")
        archive_command: $v.archive_command
        statement_timeout: $v.statement_timeout_ms
        log_min_duration_statement: $v.log_min_duration_ms
        log_line_prefix: $v.log_line_prefix
        log_timezone: $v.timezone
        timezone: $v.timezone
    }
    | merge $more
    | items {|name, value| $"($name) = (literal $value)\n" }
    | str join
}

# How the machine's memory is divided: a quarter for shared buffers, as much again
# for the sorts of all connections together, the rest for the file system's cache.
def memory [mib: int, connections: int]: nothing -> record {
    {
        shared_buffers: $"($mib // 4)MB"
        effective_cache_size: $"($mib * 3 // 4)MB"
        work_mem: $"([($mib * 256 // $connections) 64] | math max)kB"
        maintenance_work_mem: $"([($mib // 16) 2048] | math min)MB"
    }
}

# A value as postgresql.conf writes it: texts quoted, quotes doubled, backslashes escaped.
def literal [value: any]: nothing -> string {
    match ($value | describe) {
        "bool" => (if $value { "on" } else { "off" })
        "int" => ($value | into string)
        _ => $"'($value | str replace --all '\' '\\' | str replace --all "'" "''")'"
    }
}

# pg_hba.conf: the database's own user by socket, then the rules given, in order; the
# first that fits decides and nobody else gets in. Without rules, this machine by password.
export def access [v: record]: nothing -> string {
    let own = [{type: local, database: all, user: postgres, address: "", method: peer}]
    let rules = if ($v.access | is-not-empty) { $v.access | each {|rule| $ACCESS | merge $rule } } else {
        ["127.0.0.1/32" "::1/128"] | each {|net| $ACCESS | merge {type: host, address: $net} }
    }
    $own ++ $rules
    | each {|rule|
        let names = [$rule.database $rule.user] | each {|name| if $name in [all replication sameuser samerole] { $name } else { $'"($name)"' } }
        [$rule.type] ++ $names ++ [$rule.address $rule.method] | where $it != "" | str join " "
    }
    | each { $in + "\n" }
    | str join
}

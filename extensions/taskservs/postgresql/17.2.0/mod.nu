# PostgreSQL 17: postgresql.conf and pg_hba.conf.

use ./check.nu
use ./server.nu
export use ./client.nu [PGPORT connection-uri] # for extensions that depend on this one

# What is new in this major version.
const OWN = {transaction_timeout_ms: 0, incremental_backup: false, allow_alter_system: false}

# Makes `postgresql.conf` and `pg_hba.conf`.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] ($server.DEFAULTS | merge $OWN)
    server validate $v
    check between $v 0 2147483647 transaction_timeout_ms
    if $v.incremental_backup and $v.wal_level == "minimal" {
        check fail "incremental_backup needs wal_level replica or logical" "raise wal_level, or leave incremental_backup out"
    }
    let own = {
        transaction_timeout: $v.transaction_timeout_ms
        summarize_wal: $v.incremental_backup
        # This file is the configuration: ALTER SYSTEM would change it behind our back.
        allow_alter_system: $v.allow_alter_system
    }
    {files: {postgresql.conf: (server config $v $own), pg_hba.conf: (server access $v)}, objects: []}
}

# PostgreSQL 17: postgresql.conf and pg_hba.conf, and a server in Kubernetes that has them.

use ./check.nu
use ./server.nu
use ./database.nu
export use ./database.nu [install verify uninstall]
export use ./client.nu [PGPORT connection-uri] # for extensions that depend on this one

# The image of this version, and what is new in this major one.
const OWN = {image: "postgres:17.2", transaction_timeout_ms: 0, incremental_backup: false, allow_alter_system: false}

# Makes `postgresql.conf` and `pg_hba.conf`, and the objects that bring them into Kubernetes.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] ($server.DEFAULTS | merge $database.DEFAULTS | merge $OWN)
    server validate $v
    database validate $v
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
    let files = {postgresql.conf: (server config $v $own), pg_hba.conf: (server access $v)}
    {files: $files, objects: (database objects $v $files), terms: (database terms $v)}
}

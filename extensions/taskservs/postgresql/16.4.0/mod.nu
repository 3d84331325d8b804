# PostgreSQL 16: postgresql.conf and pg_hba.conf.

use ./check.nu
use ./server.nu
export use ./client.nu [PGPORT connection-uri] # for extensions that depend on this one

# What only this major version has; 17 removed it.
const OWN = {old_snapshot_threshold_min: -1}

# Makes `postgresql.conf` and `pg_hba.conf`.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] ($server.DEFAULTS | merge $OWN)
    server validate $v
    check between $v -1 86400 old_snapshot_threshold_min
    let own = {old_snapshot_threshold: $v.old_snapshot_threshold_min}
    {files: {postgresql.conf: (server config $v $own), pg_hba.conf: (server access $v)}, objects: []}
}

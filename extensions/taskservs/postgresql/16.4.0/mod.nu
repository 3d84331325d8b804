# PostgreSQL 16: postgresql.conf and pg_hba.conf, and a server in Kubernetes that has them.

use ./check.nu
use ./server.nu
use ./database.nu
export use ./database.nu [install verify uninstall]
export use ./client.nu [PGPORT connection-uri] # for extensions that depend on this one

# The image of this version, and what only this major one has; 17 removed it.
const OWN = {image: "postgres:16.4", old_snapshot_threshold_min: -1}

# Makes `postgresql.conf` and `pg_hba.conf`, and the objects that bring them into Kubernetes.
export def configure [
    values: record # nothing is required; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values [] ($server.DEFAULTS | merge $database.DEFAULTS | merge $OWN)
    server validate $v
    database validate $v
    check between $v -1 86400 old_snapshot_threshold_min
    let own = {old_snapshot_threshold: $v.old_snapshot_threshold_min}
    let files = {postgresql.conf: (server config $v $own), pg_hba.conf: (server access $v)}
    {files: $files, objects: (database objects $v $files), terms: (database terms $v)}
}

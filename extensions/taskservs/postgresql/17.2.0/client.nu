# For extensions that depend on this one: how a client reaches the server.

use ./check.nu

# The server's port where no other is configured, by the name that clients have for it.
export const PGPORT = 5432

# The connection URI of a database, from checked values. It holds no password: clients read that from PGPASSWORD.
export def connection-uri [
    to: record<user: string, host: string, port: int, database: string, sslmode: string>
]: nothing -> string {
    $"postgres://($to.user)@(check in-url $to.host):($to.port)/($to.database)?sslmode=($to.sslmode)"
}

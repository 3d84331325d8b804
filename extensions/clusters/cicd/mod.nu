# Continuous integration on Kubernetes: a Woodpecker server on PostgreSQL, and an
# agent that runs each pipeline step as a pod and builds images with BuildKit.

use ./check.nu
use cluster/buildkit [BUILDKIT_HOST TCP_ADDRESS]
use taskserv/postgresql [PGPORT connection-uri]

const REQUIRED = [host gitea_url]

# The optional values, with what they are when left out.
const DEFAULTS = {
    name: "cicd"
    namespace: "cicd"
    admins: []
    open_registration: false
    database_host: "postgresql"
    database_port: $PGPORT
    database_name: "woodpecker"
    database_user: "woodpecker"
    database_sslmode: "verify-full"
    buildkit_address: $BUILDKIT_HOST
    max_workflows: 4
    volume_size: "10G"
    storage_class: ""
    shared_volumes: false
    log_level: "info"
}

# Makes `server.env` and `agent.env`, their ConfigMaps and the agent's rights.
#
# Nothing here is secret: the server's WOODPECKER_AGENT_SECRET, WOODPECKER_GITEA_CLIENT,
# WOODPECKER_GITEA_SECRET and PGPASSWORD come from a Secret of the namespace.
export def configure [
    values: record<host: string, gitea_url: string> # the address users open, and the forge's; README.md has the optional values
]: nothing -> record<files: record, objects: list> {
    let v = check complete $values $REQUIRED $DEFAULTS
    validate $v
    let server = server $v
    let agent = agent $v
    {
        files: {server.env: (environment $server), agent.env: (environment $agent)}
        objects: ([(config-map $v server $server) (config-map $v agent $agent)] ++ (rights $v))
    }
}

def validate [v: record]: nothing -> nothing {
    check url $v host gitea_url
    check name $v name namespace
    # The longest object name is the given one with -server behind it.
    if ($v.name | str length) > 56 { check fail $"name is ($v.name | str length) characters long" "give at most 56" }
    check name $v ...(check filled $v storage_class)
    check pattern $v '[A-Za-z0-9][A-Za-z0-9._-]{0,38}' "user names of the forge" admins
    check host $v database_host
    check port $v database_port
    check pattern $v '[a-z_][a-z0-9_]{0,62}' "a name of lower-case letters, digits and _" database_name database_user
    check one-of $v [disable require verify-ca verify-full] database_sslmode
    check pattern $v $TCP_ADDRESS $"an address such as ($BUILDKIT_HOST)" buildkit_address
    check between $v 1 256 max_workflows
    check pattern $v '[1-9][0-9]{0,5}(M|G|T|Mi|Gi|Ti)' "a size such as 10G" volume_size
    check one-of $v [trace debug info warn error] log_level
    if $v.open_registration and ($v.admins | is-empty) {
        check fail "open_registration is set without admins" "name an administrator, or users come in before there is one"
    }
}

def server [v: record]: nothing -> record {
    let database = {
        user: $v.database_user, host: $v.database_host, port: $v.database_port, database: $v.database_name, sslmode: $v.database_sslmode
    }
    {
        WOODPECKER_HOST: $v.host
        WOODPECKER_OPEN: $"($v.open_registration)"
        WOODPECKER_ADMIN: ($v.admins | str join ",")
        WOODPECKER_GITEA: "true"
        WOODPECKER_GITEA_URL: $v.gitea_url
        WOODPECKER_DATABASE_DRIVER: "postgres"
        WOODPECKER_DATABASE_DATASOURCE: (connection-uri $database)
        WOODPECKER_ENVIRONMENT: $"BUILDKIT_HOST:($v.buildkit_address)"
        WOODPECKER_LOG_LEVEL: $v.log_level
    }
}

def agent [v: record]: nothing -> record {
    {
        WOODPECKER_SERVER: $"($v.name)-server:9000"
        WOODPECKER_MAX_WORKFLOWS: $"($v.max_workflows)"
        WOODPECKER_BACKEND: "kubernetes"
        WOODPECKER_BACKEND_K8S_NAMESPACE: $v.namespace
        WOODPECKER_BACKEND_K8S_VOLUME_SIZE: $v.volume_size
        WOODPECKER_BACKEND_K8S_STORAGE_CLASS: $v.storage_class
        WOODPECKER_BACKEND_K8S_STORAGE_RWX: $"($v.shared_volumes)"
        WOODPECKER_LOG_LEVEL: $v.log_level
    }
}

# The checks leave no character that a shell would read as anything else.
def environment [settings: record]: nothing -> string {
    $settings | items {|key, value| $"($key)=\"($value)\"\n" } | str join
}

def metadata [v: record, part: string]: nothing -> record {
    {
        name: $"($v.name)-($part)"
        namespace: $v.namespace
        labels: {app.kubernetes.io/name: "woodpecker", app.kubernetes.io/instance: $v.name, app.kubernetes.io/component: $part}
    }
}

def config-map [v: record, part: string, settings: record]: nothing -> record {
    {apiVersion: "v1", kind: "ConfigMap", metadata: (metadata $v $part), data: $settings}
}

# The agent's account, and the least it needs to run steps as pods in its own namespace.
def rights [v: record]: nothing -> list<record> {
    let metadata = metadata $v agent
    let api = "rbac.authorization.k8s.io"
    [
        {apiVersion: "v1", kind: "ServiceAccount", metadata: $metadata}
        {
            apiVersion: $"($api)/v1"
            kind: "Role"
            metadata: $metadata
            rules: [
                {apiGroups: [""], resources: [pods], verbs: [create delete get list watch]}
                {apiGroups: [""], resources: ["pods/log"], verbs: [get]}
                {apiGroups: [""], resources: [persistentvolumeclaims services secrets], verbs: [create delete]}
            ]
        }
        {
            apiVersion: $"($api)/v1"
            kind: "RoleBinding"
            metadata: $metadata
            roleRef: {apiGroup: $api, kind: "Role", name: $metadata.name}
            subjects: [{kind: "ServiceAccount", name: $metadata.name, namespace: $v.namespace}]
        }
    ]
}

# The Kubernetes API of the cluster that a hook runs in, for the hooks of extensions that depend on this one.
#
# A hook is to the API who its Installation's service account is. extension-runner puts that account's certificate authority
# into SSL_CERT_FILE before Nushell starts, the token lies beside it, and no request is made without both.
#
# What is applied belongs to one Installation: it is in its namespace, is named after it, and carries its uid as a label.
# An object of that name with another uid, or none, is another's and is refused. An object is a record with apiVersion, kind
# and metadata.name; to read or remove one, no more is needed.

# The label with the uid of the Installation that an object belongs to.
export const OWNER = "extensions.provisioning.dev/installation-uid"

const TRIES = 3
const PAUSE = 2sec
const METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

# Ends the hook. The code is what its Installation shows, whatever else is hidden.
def fail [msg: string, help: string, code: string]: nothing -> any {
    error make --unspanned {msg: $msg, help: $help, code: $"kube::($code)"}
}

# Where the API is, and who is asking.
def server []: nothing -> record<url: string, headers: record> {
    let authority = $env.SSL_CERT_FILE? | default ""
    let host = $env.KUBERNETES_SERVICE_HOST? | default ""
    let token = $authority | path dirname | path join "token"
    if $authority == "" or $host == "" or not ($token | path exists) {
        fail "there is no service account to reach the Kubernetes API with" "set spec.serviceAccountName of the Installation" "NoServiceAccount"
    }
    let address = if ":" in $host { $"[($host)]" } else { $host }
    {
        url: $"https://($address):($env.KUBERNETES_SERVICE_PORT? | default '443')"
        headers: {Authorization: $"Bearer (open --raw $token | str trim)"}
    }
}

# One request. TLS is always verified, and nobody is followed elsewhere with the token.
def request [method: string, path: string, body: record, accept: string = "application/json"]: nothing -> record {
    let api = server
    let url = $api.url + $path
    let text = $body | to json --raw
    let headers = $api.headers | merge {Accept: $accept}
    try {
        match $method {
            "get" => (http get --full --allow-errors --redirect-mode error --max-time 30sec --headers $headers $url)
            "create" => (http post --full --allow-errors --redirect-mode error --max-time 30sec --headers $headers --content-type "application/json" $url $text)
            "apply" => (http patch --full --allow-errors --redirect-mode error --max-time 30sec --headers $headers --content-type "application/apply-patch+yaml" $url $text)
            "delete" => (http delete --full --allow-errors --redirect-mode error --max-time 30sec --headers $headers --content-type "application/json" --data $text $url)
        }
    } catch {|e|
        let label = $e.details.labels.0?.text? | default $e.details.msg
        (fail $"the Kubernetes API at ($api.url) cannot be reached: ($label)"
            "its certificate must be of the service account's ca.crt, and a NetworkPolicy must let the pod reach it" "Unreachable")
    }
}

# What the API answered to a request that must be good.
def good []: record -> record {
    let answer = $in
    if $answer.status < 300 { return $answer.body }
    let body = if ($answer.body | describe) =~ '^record' { $answer.body } else { {} }
    let help = match $answer.status {
        401 => "its token is not accepted: try again"
        403 => "allow it in a Role of the Installation's service account"
        409 => "somebody else holds this object, or what is set of it: remove that, or choose another name for the Installation"
        _ => "look at the object and at the API server"
    }
    (fail $"the Kubernetes API says: ($body.message? | default $'status ($answer.status)')" $help
        ($body.reason? | default $"Status($answer.status)"))
}

# A look, which may be taken again: an API server that restarts does not fail a step.
def look [path: string, accept: string = "application/json"]: nothing -> record {
    server | ignore # without a service account there is nothing to try again
    for _ in 1..<$TRIES {
        let answer = try { request "get" $path {} $accept } catch { {status: 503} }
        if $answer.status < 500 and $answer.status != 429 { return $answer }
        sleep $PAUSE
    }
    request "get" $path {} $accept
}

# A look at one object. Of a Secret no more is asked for than its metadata: a hook has no need to know what is in it.
def look-at [ctx: record, object: record]: nothing -> record {
    let path = path-of $ctx $object
    if $object.kind == "Secret" { look $path $METADATA } else { look $path }
}

# How an object is called in a sentence.
def what [object: record]: nothing -> string { $"($object.kind) ($object.metadata.name)" }

# The path of an object's resource, as the API itself says.
def path-of [ctx: record, object: record]: nothing -> string {
    let name = $object.metadata.name
    if $name !~ '\A[a-z0-9]([a-z0-9.-]*[a-z0-9])?\z' or ($name != $ctx.installation and not ($name | str starts-with $"($ctx.installation)-")) {
        fail $"($object.kind) is named ($name | to json)" $"name it ($ctx.installation), or ($ctx.installation)-…, after the Installation" "WrongName"
    }
    if $object.apiVersion !~ '\A([a-z0-9.-]+/)?v[a-z0-9]+\z' { fail $"($object.apiVersion | to json) is no apiVersion" "write it as apps/v1" "WrongKind" }
    let group = if "/" in $object.apiVersion { $"/apis/($object.apiVersion)" } else { $"/api/($object.apiVersion)" }
    let answer = look $group
    let known = if $answer.status == 404 { [] } else { ($answer | good).resources }
    let found = $known | where kind == $object.kind and name !~ "/"
    if ($found | is-empty) { fail $"the Kubernetes API has no ($object.kind) of ($object.apiVersion)" "install what defines it first" "WrongKind" }
    if not $found.0.namespaced { fail $"($object.kind) is not of a namespace" "an Installation has objects of its own namespace alone" "WrongKind" }
    $"($group)/namespaces/($ctx.namespace)/($found.0.name)/($name)"
}

def owner-of [object: record]: nothing -> string {
    $object.metadata.labels? | default {} | get --optional $OWNER | default ""
}

def foreign [object: record, owner: string]: nothing -> any {
    let whose = if $owner == "" { "of no Installation" } else { $"of the Installation with uid ($owner)" }
    (fail $"(what $object) is there already and is ($whose)" "remove it, or give this Installation another name: it is not taken over" "Foreign")
}

# The object with the namespace and the labels of the Installation.
def owned [ctx: record, object: record]: nothing -> record {
    let labels = $object.metadata.labels? | default {} | merge {
        "app.kubernetes.io/managed-by": "extension-operator"
        $OWNER: $ctx.uid
    }
    $object | upsert metadata.namespace $ctx.namespace | upsert metadata.labels $labels
}

# By what name the fields that an Installation sets are known as its own.
def manager [ctx: record]: nothing -> string { $"fieldManager=extension-installation-($ctx.uid)" }

# The object as it is in the cluster, of a Secret its metadata alone; null where there is none. One of another
# Installation is an error.
export def read [ctx: record, object: record]: nothing -> any {
    let answer = look-at $ctx $object
    if $answer.status == 404 { return null }
    let there = $answer | good
    let owner = owner-of $there
    if $owner != $ctx.uid { foreign $object $owner }
    $there
}

# As `read`, where the object must be there.
export def present [ctx: record, object: record]: nothing -> record {
    let there = read $ctx $object
    if $there == null { fail $"(what $object) is not there" "install it again" "NotFound" }
    $there
}

# Makes the object where there is none and leaves it as it is where it is, as a Secret that is made by chance. Says `made` or `kept`.
export def keep [ctx: record, object: record]: nothing -> string {
    if (read $ctx $object) != null { return "kept" }
    # Not by apply, which would write over one that was made since the look: what is there already is refused by the API.
    let answer = request "create" $"(path-of $ctx $object | path dirname)?(manager $ctx)" (owned $ctx $object)
    if $answer.status == 409 and (read $ctx $object) != null { return "kept" }
    $answer | good | ignore
    "made"
}

# Makes the object, or makes it as it is given, by server-side apply, and returns it. The namespace and the labels
# are added. Fields that are not given stay as others set them; those that were given before and are no more are removed.
export def apply [ctx: record, object: record]: nothing -> record {
    let there = read $ctx $object
    let wanted = owned $ctx $object
    let path = $"(path-of $ctx $object)?(manager $ctx)"
    if $there == null {
        # Without force: whoever made one meanwhile holds its label. One that has no label shows by being there already.
        let answer = request "apply" $path $wanted
        let made = $answer | good
        if $answer.status != 201 {
            fail $"(what $object) was made by somebody else at the same time" "try again" "Foreign"
        }
        return $made
    }
    # With the uid: one that was deleted and made anew by another since the look is not the one that is meant.
    request "apply" $"($path)&force=true" ($wanted | upsert metadata.uid $there.metadata.uid) | good
}

# Deletes the object if it is this Installation's, and says what was there: `deleted`, `absent` or `foreign`.
export def remove [ctx: record, object: record]: nothing -> string {
    let answer = look-at $ctx $object
    if $answer.status == 404 { return "absent" }
    let there = $answer | good
    if (owner-of $there) != $ctx.uid { return "foreign" }
    let answer = request "delete" (path-of $ctx $object) {
        apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background", preconditions: {uid: $there.metadata.uid}
    }
    if $answer.status == 404 { return "absent" }
    $answer | good | ignore
    "deleted"
}

# What a Deployment or StatefulSet, as it was read, still lacks to be rolled out; empty where it is.
export def rollout [object: record]: nothing -> string {
    let status = $object.status? | default {}
    let wanted = $object.spec.replicas? | default 1
    let updated = $status.updatedReplicas? | default 0
    let available = $status.availableReplicas? | default 0
    let old = ($status.replicas? | default 0) - $updated
    if ($status.observedGeneration? | default 0) < $object.metadata.generation { return "it is not looked at yet" }
    if $updated < $wanted { return $"($updated) of ($wanted) replicas are of this version" }
    if $old > 0 { return $"($old) replicas of an older version are still there" }
    if $available < $wanted { return $"($available) of ($wanted) replicas are available" }
    ""
}

# Looks at a Deployment or StatefulSet every two seconds until it is rolled out, and returns it; fails when patience ends.
export def await-rollout [ctx: record, object: record, patience: duration]: nothing -> record {
    let looks = ([($patience / $PAUSE) 1] | math max | math ceil | into int)
    mut last = ""
    for number in 1..$looks {
        let now = present $ctx $object
        let lacks = rollout $now
        if $lacks == "" { return $now }
        $last = $"($lacks); its images are ($now.spec.template.spec.containers.image | uniq | str join ', ')"
        if $number < $looks { sleep $PAUSE }
    }
    (fail $"(what $object) is not rolled out after ($patience): ($last)"
        "look at its pods: an image that cannot be pulled, a quota and a full node show there" "NotRolledOut")
}

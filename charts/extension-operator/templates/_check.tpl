{{/* What cannot be told by the schema: because it is about two values, or because the schema could not say what to do. */}}
{{- define "extension-operator.check" -}}
{{- if and .Values.api.tls.secretName .Values.api.tls.certManager.enabled }}
{{- fail "api.tls.secretName and api.tls.certManager.enabled are both set: the certificate is from one of them; leave the other out" }}
{{- end }}
{{- if and .Values.api.tls.certManager.enabled (not .Values.api.tls.certManager.issuerRef.name) }}
{{- fail "api.tls.certManager.enabled needs api.tls.certManager.issuerRef.name: the Issuer or ClusterIssuer that signs the certificate" }}
{{- end }}
{{- if and (not .Values.metrics.enabled) (or .Values.metrics.serviceMonitor.enabled .Values.metrics.prometheusRule.enabled) }}
{{- fail "metrics.serviceMonitor.enabled and metrics.prometheusRule.enabled need metrics.enabled: without it there are no metrics" }}
{{- end }}
{{- with .Values.metrics.serviceMonitor }}
{{- if and .scrapeClass .authorization.secretName }}
{{- fail "metrics.serviceMonitor.scrapeClass and metrics.serviceMonitor.authorization.secretName are both set: the token is from one of them; leave the other out" }}
{{- end }}
{{- end }}
{{- if eq .Values.manager.serviceAccount.name .Values.installations.serviceAccount.name }}
{{- fail "manager.serviceAccount.name and installations.serviceAccount.name are the same: what loads Extensions must not have the rights to make Jobs; name two accounts" }}
{{- end }}
{{- include "extension-operator.checkLibraries" . }}
{{- range $name := list "manager" "installations" }}
{{- include "extension-operator.checkWorkload" (dict "name" $name "values" (index $.Values $name) "libraries" $.Values.libraries) }}
{{- end }}
{{- $labels := include "extension-operator.labels" . | fromYaml }}
{{- range $name := list "serviceMonitor" "prometheusRule" "dashboard" }}
{{- include "extension-operator.checkOwn" (dict "path" (printf "metrics.%s.labels" $name) "given" (index $.Values.metrics $name).labels "own" $labels) }}
{{- end }}
{{- include "extension-operator.checkOwn" (dict "path" "uninstall.podLabels" "given" .Values.uninstall.podLabels "own" (set $labels "app.kubernetes.io/component" "")) }}
{{- end }}

{{- define "extension-operator.checkLibraries" -}}
{{- if and (eq .Values.builtinLibrary "none") (not .Values.libraries) }}
{{- fail "builtinLibrary is none and libraries is empty: there would be nothing to load; name a library" }}
{{- end }}
{{- $names := list "extensions" }}
{{- range .Values.libraries }}
{{- if has .name $names }}
{{- fail (printf "libraries has the name %s twice (the built-in one is called extensions): each needs a name of its own" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- if and .configMap .subPath }}
{{- fail (printf "libraries: %s is a ConfigMap and has a subPath: what is mounted so never changes; leave subPath out, and give items their paths" .name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a Deployment is given. Takes a dict of name, values and libraries. */}}
{{- define "extension-operator.checkWorkload" -}}
{{- $name := .name }}
{{- if hasKey .values.resources.limits "memory" }}
{{- fail (printf "%[1]s.resources.limits.memory cannot be set: it is computed, so that it fits what the pod is told to use; set %[1]s.memory" $name) }}
{{- end }}
{{- $limits := merge (dict "memory" (include "extension-operator.memoryLimit" .values.memory)) .values.resources.limits }}
{{- range $what, $request := .values.resources.requests }}
{{- if hasKey $limits $what }}
{{- $limit := get $limits $what }}
{{- if lt (include "extension-operator.number" $limit | float64) (include "extension-operator.number" $request | float64) }}
{{- $raise := eq $what "memory" | ternary (printf "%s.memory" $name) (printf "%s.resources.limits.%s" $name $what) }}
{{- fail (printf "%s.resources.requests.%s is %v, and the limit %v: the API server takes no such pod; lower it, or raise %s" $name $what $request $limit $raise) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $setting := include "extension-operator.settings" $name | fromYamlArray }}
{{- range $arg := $.values.extraArgs }}
{{- if eq (splitList "=" $arg | first) (printf "--%s" $setting.flag) }}
{{- fail (printf "%s.extraArgs has --%s, which the chart sets: %s" $name $setting.flag $setting.do) }}
{{- end }}
{{- end }}
{{- range $.values.extraEnv }}
{{- if eq .name $setting.variable }}
{{- fail (printf "%s.extraEnv has %s, which the chart sets: %s" $name .name $setting.do) }}
{{- end }}
{{- end }}
{{- end }}
{{- $variables := list }}
{{- range .values.extraEnv }}
{{- if has .name $variables }}
{{- fail (printf "%s.extraEnv has %s twice: leave one out" $name .name) }}
{{- end }}
{{- $variables = append $variables .name }}
{{- end }}
{{- $labels := dict }}
{{- range list "name" "part-of" "instance" "component" }}{{ $_ := set $labels (printf "app.kubernetes.io/%s" .) "" }}{{ end }}
{{- include "extension-operator.checkOwn" (dict "path" (printf "%s.podLabels" $name) "given" .values.podLabels "own" $labels) }}
{{- $annotations := dict "kubectl.kubernetes.io/default-container" "" "checksum/config" "" }}
{{- include "extension-operator.checkOwn" (dict "path" (printf "%s.podAnnotations" $name) "given" .values.podAnnotations "own" $annotations) }}
{{- $volumes := dict "data" "" "tmp" "" "config" "" "api-tls" "" }}
{{- range .libraries }}{{ $_ := set $volumes (printf "library-%s" .name) "" }}{{ end }}
{{- range .values.extraVolumes }}
{{- include "extension-operator.checkOwn" (dict "path" (printf "%s.extraVolumes" $name) "given" (dict .name "") "own" $volumes) }}
{{- $_ := set $volumes .name "" }}
{{- end }}
{{- end }}

{{/* Nothing of what is given may have a name that the chart has. Takes a dict of path, given and own. */}}
{{- define "extension-operator.checkOwn" -}}
{{- range $name, $_ := .given }}
{{- if hasKey $.own $name }}
{{- fail (printf "%s has %s, which is there already: leave it out" $.path $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity as a number: "100m" is 0.1. */}}
{{- define "extension-operator.number" -}}
{{- $text := toString . }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- $factors := dict "" 1.0 "m" 0.001 "k" 1e3 "Ki" 1024.0 "M" 1e6 "Mi" 1048576.0 "G" 1e9 "Gi" 1073741824.0 "T" 1e12 "Ti" 1099511627776.0 }}
{{- printf "%f" (mulf (trimSuffix $unit $text) (get $factors $unit)) }}
{{- end }}

{{/* The settings of which the chart takes care: by which flag and variable they would be set, and what to do instead. Takes manager or installations. */}}
{{- define "extension-operator.settings" -}}
- {flag: "", variable: GOMEMLIMIT, do: use {{ . }}.memory.goMiB}
- {flag: load-slots, variable: EXTOP_LOADING_LOAD_SLOTS, do: use {{ . }}.memory.loadSlots}
- {flag: load-memory-mib, variable: EXTOP_LIMITS_LOAD_MEMORY_MIB, do: use {{ . }}.memory.perLoadMiB}
- {flag: sandbox, variable: EXTOP_LOADING_SANDBOX, do: use sandbox}
- {flag: library, variable: EXTOP_ORCHESTRATOR_EXTENSIONS_LIBRARIES, do: use libraries}
- {flag: config, variable: "", do: use config}
- {flag: controllers, variable: EXTOP_MANAGER_CONTROLLERS, do: use installations.enabled}
- {flag: leader-elect, variable: EXTOP_MANAGER_LEADER_ELECT, do: use {{ . }}.replicas}
- {flag: metrics-bind-address, variable: EXTOP_MANAGER_METRICS_BIND_ADDRESS, do: use metrics.enabled}
- {flag: metrics-secure, variable: EXTOP_MANAGER_METRICS_SECURE, do: use metrics.secure}
- {flag: health-probe-bind-address, variable: EXTOP_MANAGER_HEALTH_PROBE_BIND_ADDRESS, do: leave it to the probes}
- {flag: api-bind-address, variable: EXTOP_API_BIND_ADDRESS, do: use api.enabled}
- {flag: api-tls-cert-file, variable: EXTOP_API_TLS_CERT_FILE, do: use api.tls}
- {flag: api-tls-key-file, variable: EXTOP_API_TLS_KEY_FILE, do: use api.tls}
- {flag: runner-image, variable: EXTOP_INSTALLATION_RUNNER_IMAGE, do: use image}
- {flag: runner-sandbox, variable: EXTOP_INSTALLATION_RUNNER_SANDBOX, do: use installations.runnerSandbox}
{{- if eq . "installations" }}
- {flag: load-workers, variable: EXTOP_LOADING_LOAD_WORKERS, do: leave it at 0}
{{- end }}
{{- end }}

{{/* Names are fixed, as those of config/default are: a cluster has one operator, and what people type is the same either way. */}}

{{- define "extension-operator.labels" -}}
app.kubernetes.io/name: extension-operator
app.kubernetes.io/part-of: extension-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The image, as a node pulls it: a digest counts more than a tag. */}}
{{- define "extension-operator.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The Secret with the certificate of the REST API; empty for one that each replica makes itself. */}}
{{- define "extension-operator.apiSecret" -}}
{{- if .Values.api.tls.certManager.enabled -}}
extension-manager-api-tls
{{- else -}}
{{ .Values.api.tls.secretName }}
{{- end }}
{{- end }}

{{- define "extension-operator.managerAccount" -}}
{{ .Values.manager.serviceAccount.name }}
{{- end }}

{{- define "extension-operator.installerAccount" -}}
{{ .Values.installations.serviceAccount.name }}
{{- end }}

{{/* One manifest of config/ (a copy below files/), as this release has it. Takes a dict of root, text and component. */}}
{{- define "extension-operator.manifest" -}}
{{- $object := .text | fromYaml }}
{{- if hasKey $object "Error" }}{{ fail $object.Error }}{{ end }}
{{- if hasKey $object.metadata "namespace" }}{{ $_ := set $object.metadata "namespace" .root.Release.Namespace }}{{ end }}
{{- $labels := mergeOverwrite (dict) ($object.metadata.labels | default dict) (include "extension-operator.labels" .root | fromYaml) }}
{{- if not .root.Values.rbac.aggregate }}
{{- range $name, $value := $labels }}
{{- if hasPrefix "rbac.authorization.k8s.io/aggregate-to-" $name }}{{ $_ := unset $labels $name }}{{ end }}
{{- end }}
{{- end }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- with .annotations }}
{{- $_ := set $object.metadata "annotations" (mergeOverwrite (dict) ($object.metadata.annotations | default dict) .) }}
{{- end }}
---
{{ toYaml $object }}
{{ end }}

{{/* What cannot be told by the schema, because it is about two values. */}}
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
{{- if eq .Values.manager.serviceAccount.name .Values.installations.serviceAccount.name }}
{{- fail "manager.serviceAccount.name and installations.serviceAccount.name are the same: what loads Extensions must not have the rights to make Jobs; name two accounts" }}
{{- end }}
{{- range $name := list "manager" "installations" }}
{{- if hasKey (index $.Values $name).resources.limits "memory" }}
{{- fail (printf "%[1]s.resources.limits.memory cannot be set: it is computed, so that it fits what the pod is told to use; set %[1]s.memory" $name) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.builtinLibrary "none") (not .Values.libraries) }}
{{- fail "builtinLibrary is none and libraries is empty: there would be nothing to load; name a library" }}
{{- end }}
{{- $names := list "extensions" }}
{{- range .Values.libraries }}
{{- if has .name $names }}
{{- fail (printf "libraries has the name %s twice (the built-in one is called extensions): each needs a name of its own" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}

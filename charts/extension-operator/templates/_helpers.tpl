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

{{/* The memory limit of a pod: what it is told to use, and a reserve. Takes .memory of a Deployment. */}}
{{- define "extension-operator.memoryLimit" -}}
{{- printf "%dMi" (add (int .goMiB) (mul (int .loadSlots) (int .perLoadMiB)) (int .reserveMiB)) }}
{{- end }}

{{/* Whether the chart makes an account whose token Prometheus shows; "true", or nothing. */}}
{{- define "extension-operator.ownReader" -}}
{{- with .Values.metrics }}
{{- if and .enabled .secure .serviceMonitor.enabled (not .serviceMonitor.scrapeClass) (not .serviceMonitor.authorization.secretName) }}true{{ end }}
{{- end }}
{{- end }}

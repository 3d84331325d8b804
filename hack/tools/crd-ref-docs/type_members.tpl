{{- define "type_members" -}}
{{- if eq .Type.Name "ObjectMeta" -}} Kubernetes' own: name, namespace, labels, annotations. {{- else -}}
{{- markdownRenderFieldDoc .Doc | replace "<br />" " " | trim -}}
{{- end -}}
{{- end -}}

{{- define "rules" -}}
{{- $written := false -}}
{{- range . -}}
{{- if not (hasPrefix "Optional" .) -}}
{{- if $written }}; {{ end -}}{{- $written = true -}}
{{- if hasPrefix "Required" . }}required{{ else }}{{ markdownRenderFieldDoc . | replace "<br />" " " | trim }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

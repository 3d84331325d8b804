{{- define "gvDetails" }}
API group and version: `{{ .GroupVersionString }}`.

Kinds: {{ range $i, $kind := .SortedKinds }}{{ if $i }}, {{ end }}{{ $.TypeForKind $kind | markdownRenderTypeLink }}{{ end }}. Their types follow by name.
{{ range .SortedTypes }}{{ if markdownShouldRenderType . }}{{ template "type" . }}{{ end }}{{ end }}
{{- end -}}

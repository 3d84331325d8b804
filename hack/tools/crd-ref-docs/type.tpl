{{- define "type" }}
## {{ .Name }}

{{ .Doc | replace "\n" " " }}
{{- with .SortedReferences }}

Used by {{ range $i, $user := . }}{{ if $i }}, {{ end }}{{ markdownRenderTypeLink $user }}{{ end }}.
{{- end }}
{{- with .Validation }}

Must fit: {{ range $i, $rule := . }}{{ if $i }}; {{ end }}{{ markdownRenderFieldDoc $rule }}{{ end }}.
{{- end }}
{{ if .Members }}
| field | type | default | what it is | must fit |
|---|---|---|---|---|
{{- if .GVK }}
| `apiVersion` | string | | `{{ .GVK.Group }}/{{ .GVK.Version }}` | |
| `kind` | string | | `{{ .GVK.Kind }}` | |
{{- end }}
{{- range .Members }}
| `{{ .Name }}` | {{ markdownRenderType .Type }} | {{ if .Default }}`{{ .Default }}`{{ end }} | {{ template "type_members" . }} | {{ template "rules" .Validation }} |
{{- end }}
{{ else if .EnumValues }}
| value | what it is |
|---|---|
{{- range .EnumValues }}
| `{{ .Name }}` | {{ markdownRenderFieldDoc .Doc | replace "<br />" " " | trim }} |
{{- end }}
{{ end -}}
{{- end -}}

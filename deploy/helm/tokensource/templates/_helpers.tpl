{{/*
What the names of all objects begin with. A release named `tokensource` has the names that deploy/kustomize uses.
Of 52 characters at the most: with `-controller` behind it, it is still a label's value.
*/}}
{{- define "tokensource.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "tokensource" $name) -}}
{{- $name = printf "%s-tokensource" $name -}}
{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* By these the Deployment finds its pods: they can never change. */}}
{{- define "tokensource.selector" -}}
app.kubernetes.io/name: tokensource
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tokensource.labels" -}}
{{ include "tokensource.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tokensource.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ConfigMap with the certificate authorities, or nothing. */}}
{{- define "tokensource.authorities" -}}
{{- if .Values.caBundle.configMap -}}
{{ .Values.caBundle.configMap }}
{{- else if .Values.caBundle.pem -}}
{{ include "tokensource.name" . }}-authorities
{{- end -}}
{{- end -}}

{{/*
The rules of the role that a file of files/ begins with, as YAML. Those files are copies of deploy/kustomize, made by
`make generate`: rights are written down there, once, each with its reason.
*/}}
{{- define "tokensource.rules" -}}
{{- $role := index (splitList "\n---\n" (.Files.Get .file)) 0 | fromYaml -}}
{{- required (printf "%s has no rules" .file) $role.rules | toYaml -}}
{{- end -}}

{{/* Whom all bindings bind. */}}
{{- define "tokensource.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tokensource.name" . }}-controller
  namespace: {{ .Release.Namespace }}
{{- end -}}

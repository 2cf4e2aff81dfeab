{{/*
The prefix of all object names. A release named `tokensource` has the names that deploy/kustomize uses.
It has at most 52 characters, so that a name that ends in `-controller` is still valid as a label.
*/}}
{{- define "tokensource.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "tokensource" $name) -}}
{{- $name = printf "%s-tokensource" $name -}}
{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* The selector of the Deployment. It can never change. */}}
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

{{/* The name of the ConfigMap with the certificate authorities, if there is one. */}}
{{- define "tokensource.authorities" -}}
{{- if .Values.caBundle.configMap -}}
{{ .Values.caBundle.configMap }}
{{- else if .Values.caBundle.pem -}}
{{ include "tokensource.name" . }}-authorities
{{- end -}}
{{- end -}}

{{/*
The rules of the first role in a file of files/, as YAML. Those files are copies of deploy/kustomize, made by `make generate`:
the rights are defined there, once, each with its reason.
*/}}
{{- define "tokensource.rules" -}}
{{- $role := index (splitList "\n---\n" (.Files.Get .file)) 0 | fromYaml -}}
{{- required (printf "%s has no rules" .file) $role.rules | toYaml -}}
{{- end -}}

{{/* The subjects of all bindings. */}}
{{- define "tokensource.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tokensource.name" . }}-controller
  namespace: {{ .Release.Namespace }}
{{- end -}}

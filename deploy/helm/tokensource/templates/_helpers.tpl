{{/*
The beginning of all object names. A release named `tokensource` has the names that deploy/kustomize uses.
The beginning has at most 52 characters, so that a name that ends in `-controller` is still valid as a label.
*/}}
{{- define "tokensource.name" -}}
{{- $own := .Values.nameOverride | default "tokensource" -}}
{{- $name := .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if not (contains $own $name) -}}
{{- $name = printf "%s-%s" $name $own -}}
{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* The selector of the Deployment. It can never change, so no value has a part in it. */}}
{{- define "tokensource.selector" -}}
app.kubernetes.io/name: tokensource
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tokensource.labels" -}}
{{ include "tokensource.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tokensource.podLabels" -}}
{{ include "tokensource.selector" . }}
{{- with merge dict .Values.podLabels .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The image's name without tag and digest. A first part with a dot or a port, or `localhost`, is a registry's host, as for
container runtimes.
*/}}
{{- define "tokensource.repository" -}}
{{- $repository := .Values.image.repository -}}
{{- $registry := coalesce .Values.global.imageRegistry .Values.image.registry -}}
{{- if $registry -}}
{{- printf "%s/%s" (trimSuffix "/" $registry) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- else -}}
{{- $repository -}}
{{- end -}}
{{- end -}}

{{- define "tokensource.image" -}}
{{ include "tokensource.repository" . }}
{{- with .Values.image -}}
{{- if .digest -}}
@{{ .digest }}
{{- else -}}
:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Secrets for pulling the image, from all values that name some, as `{name}` or as a plain name. */}}
{{- define "tokensource.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.imagePullSecrets .Values.image.pullSecrets .Values.global.imagePullSecrets -}}
{{- if kindIs "map" . -}}
{{- $names = append $names .name -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- range uniq $names }}
- name: {{ . }}
{{- end -}}
{{- end -}}

{{- define "tokensource.replicas" -}}
{{- hasKey .Values "replicaCount" | ternary .Values.replicaCount .Values.replicas -}}
{{- end -}}

{{/* The pod's security context. On OpenShift, each namespace has its own range of user ids, so the chart's own ids are left out. */}}
{{- define "tokensource.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext | default dict -}}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- range list "runAsUser" "runAsGroup" -}}
{{- if eq (get $context . | int) 65532 -}}
{{- $context = omit $context . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "tokensource.probe" -}}
httpGet: {path: {{ .path }}, port: http}
{{- with omit .probe "enabled" }}
{{ toYaml . }}
{{- end }}
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
the rights and the reasons for them are in deploy/kustomize.
*/}}
{{- define "tokensource.rules" -}}
{{- $role := index (splitList "\n---\n" (.Files.Get .file)) 0 | fromYaml -}}
{{- required (printf "%s has no rules" .file) $role.rules | toYaml -}}
{{- end -}}

{{- define "tokensource.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (printf "%s-controller" (include "tokensource.name" .)) -}}
{{- end -}}

{{/* The subjects of all bindings. */}}
{{- define "tokensource.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tokensource.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* Refuses values that contradict one another or have no effect. The schema refuses values that are wrong by themselves. */}}
{{- define "tokensource.checks" -}}
{{- range .Values.extraArgs -}}
{{- if regexMatch "^--(namespace|selector|allow-network|deny-network|only-cluster-providers|https-proxy|no-proxy|proxy-credentials-file|api-server-proxy|lease-name|leader-elect|log-format|otlp-endpoint|otlp-headers-file|otlp-sampling-ratio)(=|$)" . -}}
{{- fail (printf "extraArgs: %s has a value of its own in this chart (see `helm show values`), which also grants what it needs" .) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if regexMatch "^(RUST_LOG|TOKENSOURCE_(NAMESPACE|SELECTOR|ALLOW_NETWORK|DENY_NETWORK|ONLY_CLUSTER_PROVIDERS|HTTPS_PROXY|NO_PROXY|PROXY_CREDENTIALS_FILE|LEASE_NAME|LEADER_ELECT|LOG_FORMAT|OTLP_ENDPOINT|OTLP_HEADERS_FILE|OTLP_SAMPLING_RATIO))$" .name -}}
{{- fail (printf "extraEnv: %s has a value of its own in this chart (see `helm show values`), which also grants what it needs" .name) -}}
{{- end -}}
{{- if regexMatch "^(?i:https?_proxy|no_proxy|all_proxy)$" .name -}}
{{- fail (printf "extraEnv: the controller ignores %s, so that no proxy is used by accident; set proxy.url and proxy.noProxy" .name) -}}
{{- end -}}
{{- if and (hasPrefix "SSL_CERT_" .name) (include "tokensource.authorities" $) -}}
{{- fail (printf "extraEnv: %s and caBundle exclude each other: set one of them" .name) -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.proxy.noProxy .Values.proxy.credentialsSecret .Values.proxy.apiServer) (not .Values.proxy.url) -}}
{{- fail "proxy.noProxy, proxy.credentialsSecret and proxy.apiServer have no effect without proxy.url" -}}
{{- end -}}
{{- if and (or .Values.otlp.headersSecret (ne (toString .Values.otlp.samplingRatio) "1")) (not .Values.otlp.endpoint) -}}
{{- fail "otlp.headersSecret and otlp.samplingRatio have no effect without otlp.endpoint" -}}
{{- end -}}
{{- if and .Values.caBundle.pem .Values.caBundle.configMap -}}
{{- fail "caBundle.pem and caBundle.configMap exclude each other: set one of them" -}}
{{- end -}}
{{- if and .Values.caBundle.includeSystem (not (include "tokensource.authorities" .)) -}}
{{- fail "caBundle.includeSystem has no effect without caBundle.pem or caBundle.configMap: the authorities of the image are trusted anyway" -}}
{{- end -}}
{{- if and .Values.image.registry (regexMatch "^([^/]*[.:][^/]*|localhost)/" .Values.image.repository) -}}
{{- fail (printf "image.registry is set, and image.repository begins with a host, too: %s" .Values.image.repository) -}}
{{- end -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: name yours in serviceAccount.name. Otherwise all pods that name none would have the rights of the controller" -}}
{{- end -}}
{{- if and .Values.serviceAccount.annotations (not .Values.serviceAccount.create) -}}
{{- fail "serviceAccount.annotations has no effect, because serviceAccount.create is false" -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels -}}
{{- range list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- if hasKey ($labels | default dict) . -}}
{{- fail (printf "%s: %s is a label of the chart's own" $value .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled -}}
{{- fail "monitoring.podMonitor and monitoring.serviceMonitor would count each pod twice: enable one of them" -}}
{{- end -}}
{{- if and (not .Values.crds.install) (or .Values.crds.enabled .Values.installCRDs) -}}
{{- fail "crds.install is false, and crds.enabled or installCRDs is true: they mean the same, so set one of them" -}}
{{- end -}}
{{- end -}}

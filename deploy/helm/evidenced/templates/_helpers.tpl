{{- define "evidenced.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* 52: the controllers add to the names of jobs. */}}
{{- define "evidenced.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "evidenced.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "evidenced.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "evidenced.selector" -}}
app.kubernetes.io/name: {{ include "evidenced.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "evidenced.labels" -}}
{{ include "evidenced.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: {{ .Values.mode }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "evidenced.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "evidenced.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "evidenced.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The config as it is mounted. What somebody wrote himself wins. */}}
{{- define "evidenced.config" -}}
{{- $added := dict }}
{{- if eq .Values.mode "daemon" }}
{{- $host := include "evidenced.fullname" . }}
{{- $hosts := list $host (printf "%s.%s" $host .Release.Namespace) (printf "%s.%s.svc" $host .Release.Namespace) (printf "%s.%s.svc.cluster.local" $host .Release.Namespace) }}
{{- $serve := dict "listen" "0.0.0.0:8787" "token_file" (printf "/run/secrets/token/%s" .Values.token.key) "hosts" $hosts }}
{{- $added = dict "serve" $serve }}
{{- end }}
{{- mustMergeOverwrite $added (deepCopy .Values.config) | toYaml }}
{{- end }}

{{/* What would start and not work. */}}
{{- define "evidenced.validate" -}}
{{- $config := .Values.config }}
{{- $key := dig "seal" "key" "" $config }}
{{- if not (dig "store" "url" "" $config) }}
{{- fail "config.store.url: say where evidence goes, e.g. s3://bucket/prefix" }}
{{- end }}
{{- if dig "agent" "state_dir" "" $config }}
{{- fail "config.agent.state_dir: the chart sets it, to where the volume is mounted" }}
{{- end }}
{{- if and (eq .Values.mode "daemon") (not .Values.token.existingSecret) }}
{{- fail "token.existingSecret: name a secret with the token for the endpoint; values.yaml says how to make one" }}
{{- end }}
{{- if and .Values.identity.azure.federatedToken (not (and .Values.identity.azure.clientId .Values.identity.azure.tenantId)) }}
{{- fail "identity.azure: federatedToken needs clientId and tenantId" }}
{{- end }}
{{- if hasPrefix "file:" $key }}
{{- if not (hasPrefix "file:/var/lib/evidenced/" $key) }}
{{- fail "config.seal.key: a file from a Secret is refused, since its group can read it; name a key service, or leave it out: the key is made in the state folder" }}
{{- end }}
{{- end }}
{{- if and (not .Values.persistence.enabled) (not (regexMatch "^(awskms|azurekv|gcpkms):" $key)) }}
{{- fail "persistence.enabled: without a volume each pod would make a key of its own, and nobody could tell whose evidence it is; name a key service in config.seal.key" }}
{{- end }}
{{- if and (eq .Values.mode "shards") .Values.persistence.enabled (not .Values.persistence.existingClaim) (not (has "ReadWriteMany" .Values.persistence.accessModes)) }}
{{- fail "persistence.accessModes: several shards mount the volume, perhaps on several nodes; ReadWriteMany, or persistence.enabled: false" }}
{{- end }}
{{- if and (eq .Values.mode "shards") (not (regexMatch "^(awskms|azurekv|gcpkms):" $key)) }}
{{- fail "config.seal.key: the shards need a key service, or each would have a key of its own" }}
{{- end }}
{{- $grace := dig "agent" "grace" "25s" $config | toString }}
{{- if regexMatch "^[0-9]+s$" $grace }}
{{- if le (int .Values.terminationGracePeriodSeconds) (int (trimSuffix "s" $grace)) }}
{{- fail "terminationGracePeriodSeconds: more than config.agent.grace, or the run is killed while it is sealed" }}
{{- end }}
{{- end }}
{{- end }}

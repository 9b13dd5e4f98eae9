{{/* What the pods of all modes share. */}}
{{- define "evidenced.podMetadata" -}}
{{- with .Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "evidenced.labels" . | nindent 2 }}
  {{- if and .Values.identity.azure.clientId (not .Values.identity.azure.federatedToken) }}
  azure.workload.identity/use: "true"
  {{- end }}
  {{- with .Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "evidenced.podSpec" -}}
serviceAccountName: {{ include "evidenced.serviceAccount" . }}
# It never asks Kubernetes anything. The clouds' identities come as volumes of their own.
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  # Always would let the group read the key in the state folder each time the volume is mounted, and then it is refused.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "evidenced.fullname" . }}
  - name: state
    {{- if .Values.persistence.enabled }}
    persistentVolumeClaim:
      claimName: {{ default (include "evidenced.fullname" .) .Values.persistence.existingClaim }}
    {{- else }}
    emptyDir:
      sizeLimit: {{ .Values.persistence.size }}
    {{- end }}
  {{- if eq .Values.mode "daemon" }}
  - name: token
    secret:
      secretName: {{ .Values.token.existingSecret }}
      defaultMode: 0440
  {{- end }}
  {{- range .Values.secrets }}
  - name: secret-{{ .name }}
    secret:
      secretName: {{ .existingSecret }}
      defaultMode: 0440
  {{- end }}
  {{- if .Values.identity.azure.federatedToken }}
  - name: azure-token
    projected:
      defaultMode: 0440
      sources:
        - serviceAccountToken:
            audience: api://AzureADTokenExchange
            expirationSeconds: 3600
            path: token
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "evidenced.container" -}}
name: evidenced
image: {{ include "evidenced.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  # The folder and not one file of it: a mounted file would never change.
  - name: config
    mountPath: /etc/evidenced
    readOnly: true
  - name: state
    mountPath: /var/lib/evidenced
  {{- if eq .Values.mode "daemon" }}
  - name: token
    mountPath: /run/secrets/token
    readOnly: true
  {{- end }}
  {{- range .Values.secrets }}
  - name: secret-{{ .name }}
    mountPath: /run/secrets/{{ .name }}
    readOnly: true
  {{- end }}
  {{- if .Values.identity.azure.federatedToken }}
  - name: azure-token
    mountPath: /run/secrets/azure.federated
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What AKS's webhook would set; the token file is read again whenever it is used. */}}
{{- define "evidenced.identityEnv" -}}
{{- if .Values.identity.azure.federatedToken }}
- name: AZURE_CLIENT_ID
  value: {{ .Values.identity.azure.clientId }}
- name: AZURE_TENANT_ID
  value: {{ .Values.identity.azure.tenantId }}
- name: AZURE_FEDERATED_TOKEN_FILE
  value: /run/secrets/azure.federated/token
{{- end }}
{{- end }}

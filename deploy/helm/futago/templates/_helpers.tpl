{{- define "futago.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "futago.selector" -}}
app.kubernetes.io/name: futago
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "futago.labels" -}}
{{ include "futago.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "futago.image" -}}
{{- $values := .root.Values }}
{{- $values.registry }}futago-{{ .image }}:{{ $values.tag | default .root.Chart.AppVersion }}
{{- with index $values.digests .image }}@{{ . }}{{ end }}
{{- end }}

{{- /* What every process of the suite is: image, port, what it reads and where it may write; and which of the checks of
`/readyz` are of what all its replicas share. */ -}}
{{- define "futago.components" -}}
gateway:        { values: gateway,       port: 8080, service: true,  prefix: GATEWAY, gateway: true, notify: true, shared: [database, redis, twin, anomaly, planner] }
twin:           { values: twin,          port: 8101, service: true,  prefix: TWIN,    identity: true, store: true, trust: true }
anomaly:        { values: anomaly,       port: 8102, service: true,  prefix: ANOMALY, identity: true, store: true, trust: true, shared: [database] }
planner:        { values: planner,       port: 8103, service: true,  prefix: PLANNER, identity: true, shared: [database] }
anomaly-worker: { values: anomalyWorker, port: 8112, service: false, prefix: ANOMALY, store: true, trust: true, signing: true, queue: anomaly }
planner-worker: { values: plannerWorker, port: 8113, service: false, prefix: PLANNER, queue: planner }
{{- end }}

{{- define "futago.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "futago.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "futago.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "futago.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "futago.env" -}}
- { name: FUTAGO_DATABASE_URL_FILE, value: /run/futago/urls/database_url }
- { name: FUTAGO_REDIS_URL_FILE, value: /run/futago/urls/redis_url }
{{- end }}

{{- /* How the processes find one another. */ -}}
{{- define "futago.scheme" -}}
{{ if .Values.internalTls.secret }}https{{ else }}http{{ end }}
{{- end }}

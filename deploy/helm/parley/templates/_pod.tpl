{{/* The pod of a part: one container, nothing of the machine, no token of the cluster. */}}
{{- define "parley.pod" -}}
{{- $v := .root.Values -}}
{{- $part := include "parley.part" . | fromYaml -}}
{{- $config := include (printf "parley.%s.config" .component) . -}}
metadata:
  labels:
    {{- include "parley.labels" . | nindent 4 }}
    {{- with $v.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ $config | sha256sum }}
    {{- with $v.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "parley.fullname" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false # their variables would look like Parley's own settings
  terminationGracePeriodSeconds: {{ include "parley.termination" . }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "parley.selector" $ | nindent 10 }}
    {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: parley
      image: {{ include "parley.image" .root }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [{{ .component }}, --config, /etc/parley/config/{{ .component }}.yaml]
      {{- if or $part.env (eq .component "server") }}
      env:
        {{- if eq .component "server" }}
        - name: PARLEY_RPC_ADVERTISE # what Nacos tells clients
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        {{- end }}
        {{- range $name, $value := $part.env }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      {{- end }}
      {{- with $part.envFrom }}
      envFrom:
        {{- range . }}
        - secretRef: {name: {{ . }}}
        {{- end }}
      {{- end }}
      ports:
        {{- if eq .component "client" }}
        - {name: http, containerPort: 8080}
        {{- else if eq .component "server" }}
        - {name: triple, containerPort: 20880}
        {{- else }}
        - {name: http, containerPort: 8090}
        {{- end }}
        - {name: ops, containerPort: 9080}
      startupProbe: # a start may wait for Nacos and Redis
        httpGet: {path: /healthz, port: ops}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe: # nothing outside makes it fail: a restart mends no Redis
        httpGet: {path: /healthz, port: ops}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: ops}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      resources: {{- include "parley.resources" . | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/parley/config, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        - {name: static, mountPath: /run/secrets/_static, readOnly: true}
        {{- if eq .component "client" }}
        - {name: snapshot, mountPath: /var/lib/parley}
        {{- range $tenant, $_ := $part.secrets }}
        - {name: {{ printf "tenant-%s" $tenant }}, mountPath: /run/secrets/{{ $tenant }}, readOnly: true}
        {{- end }}
        {{- end }}
        {{- if and (eq .component "server") $part.providersSecret }}
        - {name: providers, mountPath: /run/secrets/_routes, readOnly: true}
        {{- end }}
        {{- if not $v.rpc.insecure }}
        - {name: tls, mountPath: /etc/parley/tls, readOnly: true}
        {{- end }}
        {{- if and (eq .component "console") $part.webTLSSecret }}
        - {name: web, mountPath: /etc/parley/web, readOnly: true}
        {{- end }}
        {{- if and $v.redis.ca (ne .component "server") }}
        - {name: redis-ca, mountPath: /etc/parley/redis-ca, readOnly: true}
        {{- end }}
        {{- if $v.nacos.ca }}
        - {name: nacos-ca, mountPath: /etc/parley/nacos-ca, readOnly: true}
        {{- end }}
  volumes:
    - {name: config, configMap: {name: {{ include "parley.name" . }}}}
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    - {name: static, secret: {secretName: {{ include "parley.secret" . }}, defaultMode: 0440}}
    {{- if eq .component "client" }}
    - {name: snapshot, emptyDir: {sizeLimit: 64Mi}} # a container's restart needs no Nacos
    {{- range $tenant, $secret := $part.secrets }}
    - {name: {{ printf "tenant-%s" $tenant }}, secret: {secretName: {{ $secret }}, defaultMode: 0440}}
    {{- end }}
    {{- end }}
    {{- if and (eq .component "server") $part.providersSecret }}
    - {name: providers, secret: {secretName: {{ $part.providersSecret }}, defaultMode: 0440}}
    {{- end }}
    {{- if not $v.rpc.insecure }}
    - {name: tls, secret: {secretName: {{ include "parley.tlsSecret" . }}, defaultMode: 0440}}
    {{- end }}
    {{- if and (eq .component "console") $part.webTLSSecret }}
    - {name: web, secret: {secretName: {{ $part.webTLSSecret }}, defaultMode: 0440}}
    {{- end }}
    {{- if and $v.redis.ca (ne .component "server") }}
    - {name: redis-ca, secret: {secretName: {{ $v.redis.ca }}, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}}
    {{- end }}
    {{- if $v.nacos.ca }}
    - {name: nacos-ca, secret: {secretName: {{ $v.nacos.ca }}, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}}
    {{- end }}
{{- end }}

{{/*
Measured (docs/operations.md, Memory): 150 MB, and 60 KiB for each turn of a client service, 100 KiB for each stream of a server. Memory is
requested whole, for the collector works by the limit. CPU has no limit: a throttled process acknowledges late.
*/}}
{{- define "parley.resources" -}}
{{- $part := include "parley.part" . | fromYaml -}}
{{- if $part.resources }}{{ toYaml $part.resources }}
{{- else -}}
{{- $memory := 256 -}}
{{- $config := include (printf "parley.%s.config" .component) . | fromYaml -}}
{{- if eq .component "client" }}{{ $memory = add 151 (div (mul ($config.limits.turns | int) 64) 1024) }}{{ end -}}
{{- if eq .component "server" }}{{ $memory = add 151 (div (mul ($config.limits.streams | int) 100) 1024) }}{{ end -}}
requests: {cpu: {{ ternary "50m" "250m" (eq .component "console") }}, memory: {{ $memory }}Mi}
limits: {memory: {{ $memory }}Mi}
{{- end }}
{{- end }}

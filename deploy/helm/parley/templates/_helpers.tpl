{{- define "parley.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/* A part is a dict: root, component (client, server, console), and for a client service its entry in values as client. */}}
{{- define "parley.name" -}}
{{ include "parley.fullname" .root }}-{{ .component }}{{ with .client }}-{{ .name }}{{ end }}
{{- end }}

{{- define "parley.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .client }}
parley-group: {{ .name }}
{{- end }}
{{- end }}

{{- define "parley.labels" -}}
{{ include "parley.selector" . }}
app.kubernetes.io/part-of: parley
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "parley.meta" -}}
name: {{ include "parley.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "parley.labels" . | nindent 2 }}
{{- end }}

{{- define "parley.image" -}}
{{- $i := .Values.image -}}
{{ $i.repository }}{{ if $i.digest }}@{{ $i.digest }}{{ else }}:{{ default .Chart.AppVersion $i.tag }}{{ end }}
{{- end }}

{{/* Seconds of a duration as 90s or 3m: all that this chart's own values may have. */}}
{{- define "parley.seconds" -}}
{{- $d := toString . -}}
{{- if hasSuffix "m" $d }}{{ mul (trimSuffix "m" $d | int) 60 }}{{ else }}{{ trimSuffix "s" $d | int }}{{ end -}}
{{- end }}

{{/*
How long a pod may take to end, in seconds. A server lets its streams end for 190 s, a turn of 180 s and its margins. A client service takes
callbacks for linger, lets turns run for grace and hands the rest over; it also gets a whole turn's time, so that nothing but its own bounds ends it.
*/}}
{{- define "parley.termination" -}}
{{- $turn := include "parley.seconds" .root.Values.turn | int -}}
{{- if eq .component "client" -}}
{{- $s := (include "parley.client.config" . | fromYaml).shutdown -}}
{{ add $turn 5 (include "parley.seconds" $s.linger | int) (include "parley.seconds" $s.grace | int) 10 }}
{{- else if eq .component "server" -}}
{{ max 200 (add $turn 20) }}
{{- else -}}
30
{{- end -}}
{{- end }}

{{/* The part's entry in values, and the names of the Secrets that it uses. */}}
{{- define "parley.part" -}}
{{- if eq .component "client" }}{{ toYaml .client }}{{ else if eq .component "server" }}{{ toYaml .root.Values.server }}{{ else }}{{ toYaml .root.Values.console }}{{ end }}
{{- end }}

{{- define "parley.secret" -}}
{{- $part := include "parley.part" . | fromYaml -}}
{{ default .root.Values.existingSecret $part.existingSecret }}
{{- end }}

{{- define "parley.tlsSecret" -}}
{{- if .root.Values.rpc.certManager.enabled }}{{ include "parley.name" . }}-tls
{{- else }}{{ (include "parley.part" . | fromYaml).tlsSecret }}{{ end -}}
{{- end }}

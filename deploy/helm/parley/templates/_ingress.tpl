{{- define "parley.ingress" -}}
{{- $root := .part.root -}}
{{- if .host }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "parley.meta" .part | nindent 2 }}
  {{- with $root.Values.ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $root.Values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  tls:
    - hosts: [{{ .host }}]
      secretName: {{ default (printf "%s-tls" .host) $root.Values.ingress.tlsSecret }}
  rules:
    - host: {{ .host }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: {{ include "parley.name" .part }}, port: {name: http}}}
{{- end }}
{{- end }}

{{- define "parley.config.nacos" -}}
{{- $v := .root.Values -}}
{{- $user := default (get $v.nacos.usernames .component) (dig "nacos" "username" "" (include "parley.part" . | fromYaml)) -}}
{{- $nacos := dict "addrs" $v.nacos.addrs "namespace" $v.nacos.namespace -}}
{{- if $user }}{{ $_ := set $nacos "username" $user }}{{ $_ := set $nacos "password" "file:_static/nacos-password" }}{{ end -}}
{{- if $v.nacos.ca }}{{ $_ := set $nacos "tls" (dict "ca" "/etc/parley/nacos-ca/ca.crt") }}{{ end -}}
{{ toYaml (dict "mode" "nacos" "nacos" $nacos) }}
{{- end }}

{{- define "parley.config.redis" -}}
{{- $r := .root.Values.redis -}}
{{- $redis := dict "addrs" $r.addrs "db" $r.db -}}
{{- with default $r.username (dig "redis" "username" "" (include "parley.part" . | fromYaml)) }}{{ $_ := set $redis "username" . }}{{ end -}}
{{- if $r.password }}{{ $_ := set $redis "password" "file:_static/redis-password" }}{{ end -}}
{{- if $r.ca }}{{ $_ := set $redis "tls" (dict "ca" "/etc/parley/redis-ca/ca.crt") }}{{ end -}}
{{ toYaml $redis }}
{{- end }}

{{- define "parley.config.rpc" -}}
{{- if .root.Values.rpc.insecure -}}
insecure: true
{{- else -}}
tls: {ca: /etc/parley/tls/ca.crt, cert: /etc/parley/tls/tls.crt, key: /etc/parley/tls/tls.key, server_name: {{ .root.Values.rpc.serverName }}}
{{- end }}
{{- end }}

{{- define "parley.client.config" -}}
{{- $d := .root.Values.clientDefaults -}}
{{- $c := dict
  "http" (dict "listen" "0.0.0.0:8080" "ops" "0.0.0.0:9080")
  "redis" (include "parley.config.redis" . | fromYaml)
  "registry" (include "parley.config.nacos" . | fromYaml)
  "live" (dict "source" "nacos" "snapshot" "/var/lib/parley")
  "secrets" (dict "dir" "/run/secrets")
  "tenants" .client.tenants
  "rpc" (include "parley.config.rpc" . | fromYaml)
  "limits" (dict "turns" (int $d.turns))
  "shutdown" (dict "linger" $d.linger "grace" $d.grace) -}}
{{ toYaml (mergeOverwrite $c (deepCopy (default dict .client.config))) }}
{{- end }}

{{- define "parley.server.config" -}}
{{- $s := .root.Values.server -}}
{{- $c := dict
  "rpc" (mergeOverwrite (dict "listen" "0.0.0.0:20880") (include "parley.config.rpc" . | fromYaml))
  "http" (dict "ops" "0.0.0.0:9080")
  "registry" (include "parley.config.nacos" . | fromYaml)
  "live" (dict "source" "nacos")
  "secrets" (dict "dir" "/run/secrets")
  "outbound" $s.outbound
  "limits" (dict "streams" (int $s.streams)) -}}
{{ toYaml (mergeOverwrite $c (deepCopy $s.config)) }}
{{- end }}

{{- define "parley.console.config" -}}
{{- $s := .root.Values.console -}}
{{- $users := list -}}
{{- range $s.users }}{{ $users = append $users (dict "name" .name "role" .role "password" (printf "file:_static/console-%s" .name)) }}{{ end -}}
{{- $tenants := list -}}
{{- range .root.Values.clients }}{{ $tenants = concat $tenants .tenants }}{{ end -}}
{{- $http := dict "listen" "0.0.0.0:8090" "ops" "0.0.0.0:9080" -}}
{{- if $s.webTLSSecret }}{{ $_ := set $http "tls" (dict "cert" "/etc/parley/web/tls.crt" "key" "/etc/parley/web/tls.key") }}{{ end -}}
{{- $url := $s.publicURL -}}
{{- if and (not $url) $s.ingress.host }}{{ $url = printf "https://%s" $s.ingress.host }}{{ end -}}
{{- $c := dict
  "http" $http
  "public_url" $url
  "proxies" $s.proxies
  "redis" (include "parley.config.redis" . | fromYaml)
  "registry" (include "parley.config.nacos" . | fromYaml)
  "live" (dict "source" "nacos")
  "secrets" (dict "dir" "/run/secrets")
  "rpc" (include "parley.config.rpc" . | fromYaml)
  "tenants" (uniq $tenants)
  "users" $users -}}
{{ toYaml (mergeOverwrite $c (deepCopy $s.config)) }}
{{- end }}

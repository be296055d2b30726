{{/* What a schema cannot say: faults across values, each with how to mend it. */}}
{{- define "parley.judge" -}}
{{- $v := .Values -}}
{{- if and (not $v.redis.addrs) (or $v.clients $v.console.enabled) }}{{ fail "redis.addrs is empty: name the Redis that you run, as in [redis.data.svc:6379]; this chart brings none" }}{{ end -}}
{{- if not $v.nacos.addrs }}{{ fail "nacos.addrs is empty: name the Nacos that you run, as in [nacos.data.svc:8848]; this chart brings none" }}{{ end -}}
{{- $names := dict -}}
{{- $tenants := dict -}}
{{- range $c := $v.clients -}}
  {{- if hasKey $names .name }}{{ fail (printf "clients: the name %s is there twice" .name) }}{{ end -}}
  {{- $_ := set $names .name true -}}
  {{- if and (not .tenants) (gt (len $v.clients) 1) }}{{ fail (printf "clients.%s: tenants is empty, which means every tenant; the other client services would be a second entry for theirs: name its tenants" .name) }}{{ end -}}
  {{- range .tenants }}
    {{- if hasKey $tenants . }}{{ fail (printf "clients: the tenant %s is served by %s and by %s: let one of them have it" . (get $tenants .) $c.name) }}{{ end -}}
    {{- $_ := set $tenants . $c.name -}}
  {{- end -}}
  {{- range $tenant, $_ := .secrets }}
    {{- if and $c.tenants (not (has $tenant $c.tenants)) }}{{ fail (printf "clients.%s: secrets names the tenant %s, whom it does not serve" $c.name $tenant) }}{{ end -}}
  {{- end -}}
  {{- if not (or $v.rpc.insecure $v.rpc.certManager.enabled .tlsSecret) }}{{ fail (printf "clients.%s: tlsSecret is empty: name a Secret with ca.crt, tls.crt and tls.key, let rpc.certManager make it, or set rpc.insecure where nobody else is on the network" .name) }}{{ end -}}
{{- end -}}
{{- if not (or $v.rpc.insecure $v.rpc.certManager.enabled $v.server.tlsSecret) }}{{ fail "server.tlsSecret is empty: name a Secret with ca.crt, tls.crt and tls.key, let rpc.certManager make it, or set rpc.insecure" }}{{ end -}}
{{- if and $v.rpc.certManager.enabled (not $v.rpc.certManager.issuer.name) }}{{ fail "rpc.certManager.issuer.name is empty: name the Issuer of Parley's own CA" }}{{ end -}}
{{- with $v.console -}}
  {{- if and .enabled (not .users) }}{{ fail "console.users is empty: nobody could log in; name one, or set console.enabled to false" }}{{ end -}}
  {{- if and .enabled (not (or .webTLSSecret .proxies)) }}{{ fail "console: browsers would send passwords in the clear: set console.webTLSSecret, or console.proxies to the addresses of the proxy that speaks https in front; or console.enabled: false" }}{{ end -}}
  {{- if and .enabled .proxies (not (or .publicURL .ingress.host .config.public_url)) }}{{ fail "console.publicURL is empty: name the origin that browsers use, as in https://ops.example.com" }}{{ end -}}
{{- end -}}
{{- end }}

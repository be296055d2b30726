package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFaultyValuesAreRefused: each is refused with a text that names the value.
func TestFaultyValuesAreRefused(t *testing.T) {
	const good = "redis: {addrs: [r:6379]}\nnacos: {addrs: [n:8848]}\nconsole: {enabled: false}\n"
	const client = "clients: [{name: a, tenants: [acme], tlsSecret: x}]\n"
	tests := []struct{ name, values, want string }{
		{"no Redis", "nacos: {addrs: [n:8848]}\nconsole: {enabled: false}\n" + client, "redis.addrs is empty"},
		{"no Nacos", "redis: {addrs: [r:6379]}\nconsole: {enabled: false}\n", "nacos.addrs is empty"},
		{"an address without a port", "redis: {addrs: [r]}\n", "redis.addrs.0: Does not match pattern"},
		{"a misspelt key", good + "server: {replica: 3}\n", "server: Additional property replica is not allowed"},
		{"a word for a number", good + "server: {replicas: three}\n", "server.replicas: Invalid type"},
		{"a tenant's name in capitals", good + "clients: [{name: a, tenants: [ACME], tlsSecret: x}]\n", "clients.0.tenants.0: Does not match pattern"},
		{"no TLS and not said so", good + "clients: [{name: a, tenants: [acme]}]\n", "clients.a: tlsSecret is empty"},
		{"the server without TLS", good + "server: {tlsSecret: ''}\n", "server.tlsSecret is empty"},
		{"a tenant at two entries", good + "clients: [{name: a, tenants: [acme], tlsSecret: x}, {name: b, tenants: [acme], tlsSecret: x}]\n", "the tenant acme is served by a and by b"},
		{"everybody at two entries", good + "clients: [{name: a, tenants: [], tlsSecret: x}, {name: b, tenants: [acme], tlsSecret: x}]\n", "clients.a: tenants is empty"},
		{"a name twice", good + "clients: [{name: a, tenants: [acme], tlsSecret: x}, {name: a, tenants: [b], tlsSecret: x}]\n", "the name a is there twice"},
		{"another tenant's secrets", good + "clients: [{name: a, tenants: [acme], tlsSecret: x, secrets: {globex: s}}]\n", "the tenant globex, whom it does not serve"},
		{"a console in the clear", "redis: {addrs: [r:6379]}\nnacos: {addrs: [n:8848]}\n", "console: browsers would send passwords in the clear"},
		{"a console for nobody", "redis: {addrs: [r:6379]}\nnacos: {addrs: [n:8848]}\nconsole: {users: [], webTLSSecret: w}\n", "console.users is empty"},
		{"a role that is none", good + "console: {users: [{name: a, role: root}]}\n", "console.users.0.role"},
		{"cert-manager without an issuer", good + "rpc: {certManager: {enabled: true}}\n", "rpc.certManager.issuer.name is empty"},
		{"a duration that is none", good + "turn: long\n", "turn: Does not match pattern"},
	}
	helm := helmTool(t)
	file := filepath.Join(t.TempDir(), "values.yaml")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.values), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := template(t.Context(), helm, "-f", file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

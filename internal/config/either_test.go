package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"parley/internal/config"
)

// Files may be called anything; what keys client.yaml and server.yaml share does not tell which one it is.
func TestLoadTellsFilesOfAnyName(t *testing.T) {
	const both = "registry: {mode: direct, direct: [127.0.0.1:20880]}\nlive: {source: file, dir: .}\n"
	for name, c := range map[string]struct {
		content        string
		client, server bool
	}{
		"only a server has rpc.listen":  {both + "rpc: {listen: 127.0.0.1:20880}\nhttp: {ops: 127.0.0.1:9081}\n", false, true},
		"only a client has http.listen": {both + "rpc: {insecure: true}\nhttp: {listen: 127.0.0.1:8080}\n", true, false},
		"neither":                       {"switches: []\n", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s2.yaml")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := config.Load(path, config.Options{Elsewhere: true})
			if (err == nil) != (c.client || c.server) || (got.Client != nil) != c.client || (got.Server != nil) != c.server {
				t.Errorf("client %v, server %v, %v", got.Client != nil, got.Server != nil, err)
			}
		})
	}
}

package config_test

import (
	"strings"
	"testing"

	"parley/internal/config"
)

func TestUnknownVariables(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		want    []string // parts of the warnings, in order
	}{
		"of a client and of a server": {[]string{"PARLEY_REDIS_ADDRS=a:1", "PARLEY_OUTBOUND=https://a", "PARLEY_RPC_TLS_SERVER_NAME=x"}, nil},
		"a secret's own":              {[]string{"PARLEY_REDIS_PASSWORD=x", "PARLEY_REGISTRY_NACOS_PASSWORD=x"}, nil},
		"the others":                  {[]string{"PARLEY_LOG=text", "PARLEY_LOG_LEVEL=debug", "PARLEY_AGE_IDENTITY_FILE=x", "PARLEY_TEST_REDIS=x", "HOME=/"}, nil},
		"not set":                     {[]string{"PARLEY_REDIS_ADRS="}, nil},
		"a letter is missing":         {[]string{"PARLEY_REDIS_ADRS=hunter2"}, []string{"PARLEY_REDIS_ADRS is unknown and has no effect; did you mean PARLEY_REDIS_ADDRS?"}},
		"of a whole section":          {[]string{"PARLEY_REDIS=hunter2"}, []string{"PARLEY_REDIS is unknown"}},
		"another word":                {[]string{"PARLEY_NOTHING_LIKE_IT=x"}, []string{"as in PARLEY_REDIS_ADDRS for redis.addrs"}},
		"two, sorted":                 {[]string{"PARLEY_TENANT=b", "PARLEY_OUTBOND=a"}, []string{"mean PARLEY_OUTBOUND", "mean PARLEY_TENANTS"}},
		"Kubernetes' own": {[]string{"PARLEY_SERVICE_HOST=10.0.0.1", "PARLEY_SERVICE_PORT_OPS=9080", "PARLEY_PORT=tcp://10.0.0.1:80",
			"PARLEY_CLIENT_PORT_8080_TCP_ADDR=10.0.0.1", "PARLEY_CLIENT_PORT_8080_TCP=tcp://10.0.0.1:8080"}, nil},
		"a port that Kubernetes does not set": {[]string{"PARLEY_PORT=8080"}, []string{"PARLEY_PORT is unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := config.UnknownVariables(c.environ)
			if len(got) != len(c.want) {
				t.Fatalf("got %q, want %d", got, len(c.want))
			}
			for i, w := range got {
				if !strings.Contains(w, c.want[i]) || strings.Contains(w, "hunter2") {
					t.Errorf("got %q, want %q in it and no value", w, c.want[i])
				}
			}
		})
	}
}

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/config"
)

func TestLoadOutbound(t *testing.T) {
	standard := config.DefaultServer().Outbound
	for name, c := range map[string]struct {
		content string // empty: no file
		env     []string
		want    []string
		fault   string
	}{
		"no file":                 {"", nil, standard, ""},
		"a variable without file": {"", []string{"PARLEY_OUTBOUND", "https://a, https://b"}, []string{"https://a", "https://b"}, ""},
		"the file's":              {"outbound: [https://a/]", nil, []string{"https://a"}, ""},
		"a variable wins":         {"outbound: [https://a]", []string{"PARLEY_OUTBOUND", "https://b"}, []string{"https://b"}, ""},
		"other faults":            {"outbound: [https://a]\nrpc: {listen: ':20880'}\nnonsense: 1", nil, []string{"https://a"}, ""},
		"nobody":                  {"outbound: []", nil, nil, ""},
		"no origin":               {"outbound: [a]", nil, nil, "outbound[0]: is not an http or https origin"},
		"no YAML":                 {"outbound: [", nil, nil, "is not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			path := ""
			if c.content != "" {
				path = filepath.Join(t.TempDir(), "server.yaml")
				if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := config.LoadOutbound(path, config.Options{Env: env(c.env...), Elsewhere: true})
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || len(got)+len(c.want) > 0 && !cmp.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestLineOf(t *testing.T) {
	const doc = `name: acme
providers: [a,
  b]
keys:
  a: env:A
switches:
  - id: x
    to: a
  - {id: y}
`
	for path, want := range map[string]int{
		"name": 1, "providers[0]": 2, "providers[1]": 3, "keys.a": 5, "switches[0].to": 8, "switches[1].to": 9, "switches[7].to": 7,
		"model": 0, "": 0, "name.a": 1, "providers[x]": 2, "providers[-1]": 2, "keys.b": 5,
	} {
		t.Run(path, func(t *testing.T) {
			if got := config.LineOf([]byte(doc), path); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		})
	}
	if got := config.LineOf([]byte("["), "a"); got != 0 {
		t.Errorf("of no YAML: %d", got)
	}
}

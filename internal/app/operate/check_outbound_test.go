package operate_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

// TestCheckLiveShowsNoKeyToStrangers: an origin that no server would call is not called by a check either, whoever says what servers may call.
func TestCheckLiveShowsNoKeyToStrangers(t *testing.T) {
	var calls atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer provider.Close()
	t.Setenv("CHECK_API_KEY", "sk-canary")
	for name, c := range map[string]struct {
		server, variable string // server.yaml's outbound and PARLEY_OUTBOUND; empty: none
		live, refused    bool
		says             string
	}{
		"the file allows it":                  {server: provider.URL, live: true},
		"the file does not":                   {server: "https://api.openai.com", live: true, refused: true, says: "under `outbound` in "},
		"the file does not, not live":         {server: "https://api.openai.com", refused: true, says: "server.yaml; add it there"},
		"the variable allows it":              {variable: provider.URL, live: true},
		"the variable does not":               {variable: "https://api.openai.com", live: true, refused: true, says: "in PARLEY_OUTBOUND; add it there"},
		"the variable wins and is for it":     {server: "https://api.openai.com", variable: provider.URL, live: true},
		"the variable wins and is against it": {server: provider.URL, variable: "https://api.openai.com", live: true, refused: true, says: "PARLEY_OUTBOUND"},
		"nobody says it, live":                {live: true, refused: true, says: "name the servers' server.yaml too, or set PARLEY_OUTBOUND"},
		"nobody says, so nobody is sure":      {},
	} {
		t.Run(name, func(t *testing.T) {
			calls.Store(0)
			t.Setenv("PARLEY_OUTBOUND", c.variable)
			dir := t.TempDir()
			// the registry is direct, so that only the provider is asked
			routes, server := filepath.Join(dir, "parley-routes.yaml"), filepath.Join(dir, "server.yaml")
			put(t, routes, "providers:\n  openai: {dialect: openai, base_url: "+provider.URL+"/v1, key: env:CHECK_API_KEY}\nmodels: {chat: [openai/gpt-4o]}\n")
			files := []string{routes}
			if c.server != "" {
				put(t, server, "registry: {mode: direct}\nlive: {source: file, dir: '"+dir+"'}\noutbound: ["+c.server+"]\n")
				files = []string{dir} // a folder stands for its files
			}
			var out bytes.Buffer
			err := operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, files, c.live)
			if !c.refused {
				if err != nil || (calls.Load() > 0) != c.live {
					t.Errorf("%d calls, %v\n%s", calls.Load(), err, &out)
				}
				return
			}
			if n := calls.Load(); n > 0 {
				t.Errorf("the origin was called %d times", n)
			}
			if wire.ExitCode(err) != 2 || !strings.Contains(errText(err), "parley-routes.yaml:2: providers.openai.base_url: leads to "+provider.URL) ||
				!strings.Contains(errText(err), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

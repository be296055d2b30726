package operate_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/sim/wecom"
)

// TestCheckLive asks a simulated platform, an embedded Redis and a provider that knows one key.
func TestCheckLive(t *testing.T) {
	const aes = "ZGVtb2RlbW9kZW1vZGVtb2RlbW9kZW1vZGVtb2RlbW8"
	platform := wecom.New(wecom.Options{})
	err := platform.AddApp(wecom.App{Ref: wecom.Ref{CorpID: "ww1", AgentID: 7}, Secret: "right-secret", Token: "tok", AESKey: aes})
	if err != nil {
		t.Fatal(err)
	}
	wc := httptest.NewServer(platform.Handler())
	defer wc.Close()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right-key" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer provider.Close()
	redis := miniredis.RunT(t)

	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := []string{
		write("client.yaml", "redis: {addrs: ["+redis.Addr()+"]}\nlive: {source: file, dir: "+dir+"}\nregistry: {mode: direct, direct: [127.0.0.1:1]}\n"+
			"platforms: {wecom: "+wc.URL+"}\n"),
		write("parley-routes.yaml", "providers:\n  openai: {dialect: openai, base_url: "+provider.URL+"/v1, key: env:CHECK_API_KEY}\nmodels: {chat: [openai/gpt-4o]}\n"),
		write("tenant.acme.yaml", "name: acme\nchannels:\n  - {name: app, kind: wecom, corp_id: ww1, agent_id: 7, secret: env:ACME_SECRET, token: env:ACME_TOKEN, aes_key: env:ACME_AES}\n"),
	}
	t.Setenv("PARLEY_OUTBOUND", provider.URL)
	t.Setenv("ACME_TOKEN", "tok")
	t.Setenv("ACME_AES", aes)
	for name, c := range map[string]struct {
		secret, key string
		code        int
		out, err    []string
	}{
		"all right": {"right-secret", "right-key", 0, []string{
			"redis: works", "provider openai: works", "channel app: works", "https://<your domain>/callback/acme/app ",
		}, nil},
		"wrong secret": {"wrong-secret", "right-key", 1, []string{"redis: works", "provider openai: works"}, []string{"channel app: ", "40001"}},
		"wrong key":    {"right-secret", "wrong-key", 1, []string{"channel app: works"}, []string{"provider openai: the key is refused"}},
		"no secret":    {"", "right-key", 2, nil, []string{"tenant.acme.yaml:3", "ACME_SECRET"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ACME_SECRET", c.secret)
			t.Setenv("CHECK_API_KEY", c.key)
			var out bytes.Buffer
			err := operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, files, true)
			if got := wire.ExitCode(err); got != c.code {
				t.Errorf("exit status %d, want %d: %v", got, c.code, err)
			}
			for _, want := range c.out {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in what it says:\n%s", want, &out)
				}
			}
			for _, want := range c.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error: %v", want, err)
				}
			}
			if s := out.String() + errText(err); strings.Contains(s, "wrong-secret") || strings.Contains(s, "wrong-key") {
				t.Errorf("a secret is printed: %s", s)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

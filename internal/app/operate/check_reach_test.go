package operate_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

// TestCheckLiveSaysWhereItFailed: what does not answer is named with its address and the key that sets it, never with a secret.
func TestCheckLiveSaysWhereItFailed(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close() // nobody listens there any more
	addr := strings.TrimPrefix(gone.URL, "http://")
	dir := t.TempDir()
	client, routes, acme := filepath.Join(dir, "client.yaml"), filepath.Join(dir, "parley-routes.yaml"), filepath.Join(dir, "tenant.acme.yaml")
	put(t, client, "redis: {addrs: ["+addr+"], password: env:CHECK_PASSWORD}\nlive: {source: file, dir: "+dir+"}\nregistry: {mode: direct, direct: [127.0.0.1:1]}\n"+
		"platforms: {wecom: "+gone.URL+", dingtalk: "+gone.URL+"}\n")
	put(t, routes, "providers:\n  openai: {dialect: openai, base_url: "+gone.URL+"/v1, key: env:CHECK_API_KEY}\nmodels: {chat: [openai/gpt-4o]}\n")
	put(t, acme, "name: acme\nchannels:\n  - {name: app, kind: wecom, corp_id: ww1, agent_id: 7, secret: env:ACME_SECRET, token: env:ACME_SECRET, aes_key: env:ACME_AES}\n  - {name: ding, kind: dingtalk, app_key: k, app_secret: env:ACME_SECRET}\n")
	for name, value := range map[string]string{"PARLEY_OUTBOUND": gone.URL, "CHECK_PASSWORD": "canary", "CHECK_API_KEY": "canary",
		"ACME_SECRET": "canary", "ACME_AES": "ZGVtb2RlbW9kZW1vZGVtb2RlbW9kZW1vZGVtb2RlbW8"} {
		t.Setenv(name, value)
	}
	var out bytes.Buffer
	err := operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: io.Discard}, []string{client, routes, acme}, true)
	for _, want := range []string{"callback/acme/app on the platform's page and save: the platform then verifies", "callback/acme/ding on the platform's page and save: DingTalk verifies nothing there"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
	said := errText(err)
	for _, want := range []string{
		"client.yaml: redis: ", "asked " + addr + ": is redis.addrs right",
		"provider openai: ", "asked " + gone.URL + "/v1: is base_url right",
		"channel app: ", "asked " + gone.URL + ": is platforms.wecom in client.yaml right",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in what it says:\n%s", want, said)
		}
	}
	if strings.Contains(said, "canary") {
		t.Errorf("a secret is printed:\n%s", said)
	}
}

// TestCheckLiveFindsTenantsWithoutAKey: where keys resolve, a tenant for whose route nobody has one is a fault of its document.
func TestCheckLiveFindsTenantsWithoutAKey(t *testing.T) {
	dir := t.TempDir()
	routes, acme, beta := filepath.Join(dir, "parley-routes.yaml"), filepath.Join(dir, "tenant.acme.yaml"), filepath.Join(dir, "tenant.beta.yaml")
	put(t, routes, "providers:\n  openai: {dialect: openai, base_url: https://api.openai.com/v1, key: env:CHECK_UNSET_API_KEY}\nmodels: {chat: [openai/gpt-4o]}\n")
	put(t, acme, "name: acme\nchannels: []\n")
	put(t, beta, "name: beta\nkeys: {openai: env:BETA_KEY}\nchannels: []\n")
	t.Setenv("BETA_KEY", "canary")
	server := filepath.Join(dir, "server.yaml")
	put(t, server, "live: {source: file, dir: "+dir+"}\nregistry: {mode: direct}\n")
	files := []string{server, routes, acme, beta}
	if err := operate.Check(t.Context(), wire.Env{Stdout: io.Discard, Stderr: io.Discard}, files, false); err != nil {
		t.Errorf("not live, no key need be here: %v", err)
	}
	var warned bytes.Buffer
	err := operate.Check(t.Context(), wire.Env{Stdout: io.Discard, Stderr: &warned}, files, true)
	if !strings.Contains(warned.String(), "CHECK_UNSET_API_KEY is not set") {
		t.Errorf("the variable is not named: %s", &warned)
	}
	if said := errText(err); wire.ExitCode(err) != 2 || strings.Contains(said, "tenant.beta") ||
		!strings.Contains(said, `tenant.acme.yaml: model: no provider that "chat" leads to (openai/gpt-4o) has a key for this tenant`) {
		t.Errorf("got %v", err)
	}
}

// TestCheckLiveOnAClientsMachine: providers' keys are set where servers run, so that their lack is a warning here, and all else is asked.
func TestCheckLiveOnAClientsMachine(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	dir := t.TempDir()
	client, routes, acme := filepath.Join(dir, "client.yaml"), filepath.Join(dir, "parley-routes.yaml"), filepath.Join(dir, "tenant.acme.yaml")
	put(t, client, "redis: {addrs: ["+strings.TrimPrefix(gone.URL, "http://")+"]}\nlive: {source: file, dir: "+dir+"}\nregistry: {mode: direct, direct: [127.0.0.1:1]}\n")
	put(t, routes, "providers:\n  openai: {dialect: openai, base_url: https://api.openai.com/v1, key: env:CHECK_UNSET_API_KEY}\nmodels: {chat: [openai/gpt-4o]}\n")
	put(t, acme, "name: acme\nchannels: []\n")
	var warned bytes.Buffer
	err := operate.Check(t.Context(), wire.Env{Stdout: io.Discard, Stderr: &warned}, []string{client, acme, routes}, true)
	if said := errText(err); wire.ExitCode(err) != 1 || !strings.Contains(said, "client.yaml: redis: ") || strings.Contains(said, "key") {
		t.Errorf("Redis was not asked, or keys are faults: %v", err)
	}
	for _, want := range []string{"tenant.acme.yaml: model: warning: no provider that", "no server.yaml is among the files", "CHECK_UNSET_API_KEY is not set"} {
		if strings.Count(warned.String(), want) != 1 {
			t.Errorf("%q is not once in the warnings:\n%s", want, &warned)
		}
	}
}

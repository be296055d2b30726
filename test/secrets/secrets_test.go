package secrets

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/realdeps"
	"parley/test/rig"
)

// TestNoSecretComesOut is the whole way, with every kind of reference, sealed ones included.
func TestNoSecretComesOut(t *testing.T) {
	rig.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	h := newHouse(ctx, t)
	defer h.rig.Close()
	h.talk(ctx)
	h.strangers(ctx)
	h.operators(ctx)
	h.faultyDocuments(ctx)
	h.platformsFail(ctx)
	h.scrape(ctx)
	h.server.Quit() // their goroutines' stacks go to their logs
	h.client.Quit()
	h.search()
}

// house is everything that runs, and everything that came out of it.
type house struct {
	*testing.T
	rig            *rig.Rig
	secrets        canaries
	company        rig.Company
	model          *rig.Model
	client, server *rig.Node
	env            []string
	said           map[string]string // what came out, by where
}

func newHouse(ctx context.Context, t *testing.T) *house {
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, rig: r, secrets: canaries{}, said: map[string]string{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			r.Close()
			t.Fatal(err)
		}
	}
	h.company, err = r.NewCompany(ctx, func(s wecom.Sent) {}, 0)
	must(err)
	h.model, err = r.StartModel(ctx, llm.Pace{})
	must(err)
	must(h.redisPassword(ctx, h.secrets.hatch("redis password", 32)))
	app := &h.company.App
	app.Secret, app.Token, app.AESKey = h.secrets.hatch("wecom secret", 43), h.secrets.hatch("wecom token", 26), h.secrets.hatch("wecom aes key", 42)+"A"
	h.company.WebToken = h.secrets.hatch("web token", 32)
	h.identity(ctx)
	h.env = append(h.env, "REDIS_PASSWORD="+h.secrets["redis password"], "ACME_SECRET="+app.Secret, "ACME_AES="+app.AESKey,
		"ACME_WEB_TOKEN="+h.company.WebToken, "OPENAI_API_KEY=sk-"+h.secrets.hatch("platform's key", 40))
	must(os.MkdirAll(filepath.Join(r.Dir, "secrets", "acme"), 0o700))
	must(os.WriteFile(filepath.Join(r.Dir, "secrets", "acme", "own-key"), []byte("sk-"+h.secrets.hatch("tenant's key", 40)+"\n"), 0o600))
	must(r.Publish(ctx, "tenant.acme", h.tenant()))
	must(r.Publish(ctx, "parley-routes", h.routes(ctx)))
	h.server, err = r.StartNode(ctx, "server", "server", h.env, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q, debug: %q}\noutbound: [%q, \"http://127.0.0.1\"]\nsecrets: {dir: %q}\n",
			addr, ops, h.free(), h.model.Origin, filepath.Join(r.Dir, "secrets")) + r.Live()
	})
	must(err)
	h.client, err = r.StartNode(ctx, "client", "client", h.env, func(addr, ops string) string {
		return fmt.Sprintf("http: {listen: %q, ops: %q, debug: %q}\nredis: {addrs: [%q], password: env:REDIS_PASSWORD}\ntenants: [acme]\n"+
			"platforms: {wecom: %q}\nsecrets: {dir: %q}\n", addr, ops, h.free(), r.Redis.Addr, h.company.Platform, filepath.Join(r.Dir, "secrets")) + r.Live()
	})
	must(err)
	must(h.company.Entry(h.client.Addr))
	return h
}

// identity makes an age identity as an operator does; it goes to the processes by a file.
func (h *house) identity(ctx context.Context) {
	out, err := h.rig.Parley(ctx, nil, "seal", "--keygen")
	file := filepath.Join(h.rig.Dir, "identity")
	if err == nil {
		err = os.WriteFile(file, []byte(out), 0o600)
	}
	if err != nil {
		h.Fatal(out, err)
	}
	_, secret, _ := strings.Cut(out, "AGE-SECRET-KEY-")
	h.secrets.add("age identity", strings.TrimSpace(secret))
	h.env = append(h.env, "PARLEY_AGE_IDENTITY_FILE="+file)
}

// seal makes an age: reference with the operator's command.
func (h *house) seal(ctx context.Context, secret string, where ...string) string {
	identity, err := os.ReadFile(filepath.Join(h.rig.Dir, "identity"))
	if err != nil {
		h.Fatal(err)
	}
	_, recipient, _ := strings.Cut(string(identity), "--to: ")
	recipient, _, _ = strings.Cut(recipient, "\n")
	out, err := h.rig.ParleyWith(ctx, nil, strings.NewReader(secret+"\n"), append([]string{"seal", "--to", recipient}, where...)...)
	if err != nil || !strings.HasPrefix(out, "age:") {
		h.Fatalf("seal: %v: %s", err, out)
	}
	h.said["parley seal"] += out
	return strings.TrimSpace(out)
}

func (h *house) tenant() string {
	return fmt.Sprintf(`name: acme
system_prompt: 你是公司的助手。
keys: {openai: file:own-key}
limits: {per_user_per_minute: 600}
channels:
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:ACME_SECRET, token: %q, aes_key: env:ACME_AES}
  - {name: web, kind: web, access: token, tokens: [env:ACME_WEB_TOKEN]}
`, h.company.App.CorpID, h.company.App.AgentID, h.seal(h.Context(), h.company.App.Token, "--tenant", "acme"))
}

// routes lead to the simulator by the tenant's own key, then by a sealed one, then to a port where nobody listens.
func (h *house) routes(ctx context.Context) string {
	sealed := h.seal(ctx, "sk-"+h.secrets.hatch("sealed key", 40), "--routes")
	return fmt.Sprintf(`providers:
  openai:  {dialect: openai, base_url: "%[1]s/v1", key: env:OPENAI_API_KEY}
  chatglm: {dialect: openai, base_url: "%[1]s/v1", key: %[2]q}
  nobody:  {dialect: openai, base_url: "http://%[3]s/v1", key: env:OPENAI_API_KEY}
models: {chat: [openai/gpt-4o-mini, chatglm/glm-4.6, nobody/gpt-4o-mini]}
`, h.model.Origin, sealed, h.free())
}

func (h *house) free() string {
	addr, err := realdeps.FreeAddr()
	if err != nil {
		h.Fatal(err)
	}
	return addr
}

func (h *house) redisPassword(ctx context.Context, password string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", h.rig.Redis.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONFIG SET requirepass %s\r\n", password)
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	if err == nil && !bytes.HasPrefix(answer[:n], []byte("+OK")) {
		err = fmt.Errorf("CONFIG SET: %s", answer[:n])
	}
	return err
}

// ask lets a person say something and returns what they are shown.
func (h *house) ask(ctx context.Context, user, text string) string {
	h.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	before := len(h.company.Sim.Shown(h.company.App.Ref, user))
	if _, err := h.company.Sim.Say(ctx, h.company.App.Ref, user, text); err != nil {
		h.Fatal(err)
	}
	shown, err := h.company.Sim.Await(ctx, h.company.App.Ref, user, before+1)
	if err != nil {
		h.Fatalf("%q has no answer: %v", text, err)
	}
	answer := shown[len(shown)-1].Content
	h.said["what people are shown"] += answer + "\n"
	return answer
}

// talk has answers by each key, and refusals that quote the key, as OpenAI's do.
func (h *house) talk(ctx context.Context) {
	first := h.ask(ctx, "amy", "你好")
	for _, name := range []string{"tenant's key", "sealed key"} {
		key := "sk-" + h.secrets[name]
		quote := fmt.Sprintf(`{"error":{"message":"Incorrect API key provided: %s","type":"%s","code":"%s"}}`, key, key, key)
		for _, f := range []llm.Fault{
			{Kind: llm.FaultStatus, Status: 401, Body: quote}, {Kind: llm.FaultStatus, Status: 500, Body: quote},
			{Kind: llm.FaultBody, Body: quote}, {Kind: llm.FaultInline, Code: key}, {Kind: llm.FaultFinish, Code: key, After: 2},
			{Kind: llm.FaultStatus, Status: 302, Body: "moved to ?key=" + key}, {Kind: llm.FaultStatus, Status: 429, Body: quote, RetryAfter: 1},
		} {
			h.rules(ctx, llm.Rule{Fault: f, Contains: "错"})
			h.ask(ctx, "bob", "错")
		}
	}
	h.rules(ctx)
	if again := h.ask(ctx, "amy", "你好"); first == "" || again == "" {
		h.Errorf("the product does not work: %q, %q", first, again)
	}
}

func (h *house) rules(ctx context.Context, list ...llm.Rule) {
	body, _ := json.Marshal(append([]llm.Rule{}, list...))
	h.call(ctx, http.MethodPut, h.model.Origin+"/_sim/rules", string(body), nil)
}

// call makes a request and returns its answer, headers included.
func (h *house) call(ctx context.Context, method, address, body string, header http.Header) string {
	h.Helper()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return fmt.Sprint(resp.Status, resp.Header, string(all))
}

package secrets

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/internal/sim/wecom"
)

// strangers try the public address with what they have, good and bad.
func (h *house) strangers(ctx context.Context) {
	base := "http://" + h.client.Addr
	say := func(method, path, body string, header http.Header) {
		h.said["answers to strangers"] += method + h.call(ctx, method, base+path, body, header) + "\n"
	}
	query, body, err := wecom.Seal(h.company.App, wecom.Message{User: "eve", Text: "旧"}, time.Now().Add(-48*time.Hour))
	if err != nil {
		h.Fatal(err)
	}
	say("POST", "/callback/acme/app?"+query.Encode(), string(body), nil)
	query.Set("msg_signature", strings.Repeat("0", 40))
	say("POST", "/callback/acme/app?"+query.Encode(), string(body), nil)
	say("POST", "/callback/acme/app?"+query.Encode(), "<xml>"+h.company.App.Token, nil)
	say("GET", "/callback/acme/app?echostr="+url.QueryEscape(h.company.App.AESKey), "", nil)
	say("GET", "/callback/acme/nothing", "", nil)
	say("GET", "/chat/acme/web", "", nil)
	say("POST", "/chat/acme/web/login", "token=wrong", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	say("POST", "/chat/acme/web/message", `{"text":"x"}`, nil)
}

// operators use every command on the running system.
func (h *house) operators(ctx context.Context) {
	client, server := filepath.Join(h.rig.Dir, "client.yaml"), filepath.Join(h.rig.Dir, "server.yaml")
	for _, args := range [][]string{
		{"status", "--config", client}, {"status", "--config", client, "--json"}, {"check", client, server}, {"check", "--live", client, server},
		{"degrade", "--config", server, "--to", "chatglm", "--reason", "test", "--drill"},
		{"degrade", "--config", server, "--to", "chatglm", "--reason", "test", "--force"}, {"restore", "--config", server},
	} {
		out, err := h.rig.Parley(ctx, h.env, args...)
		h.said["parley "+strings.Join(args, " ")] = out
		if err != nil {
			h.Errorf("parley %s: %v\n%s", args[0], err, out)
		}
	}
	// Without the environment, and with wrong passwords, the faults are named and the values are not.
	out, _ := h.rig.Parley(ctx, nil, "check", "--live", client)
	h.said["parley check without secrets"] = out
	wrong := h.secrets.hatch("wrong password", 32)
	out, err := h.rig.Parley(ctx, append(append([]string{}, h.env...), "REDIS_PASSWORD="+wrong), "check", "--live", client)
	h.said["parley check with a wrong password"] = out
	if err == nil {
		h.Error("parley check --live takes a wrong password for a good one")
	}
}

// faultyDocuments have a literal where a reference belongs: they are refused, and what they hold is not repeated.
func (h *house) faultyDocuments(ctx context.Context) {
	literal := h.secrets.hatch("literal in a document", 40)
	for id, content := range map[string]string{
		"tenant.acme":   strings.Replace(h.tenant(), "env:ACME_SECRET", literal, 1),
		"parley-routes": strings.Replace(h.routes(ctx), "env:OPENAI_API_KEY", "sk-"+literal, 1),
	} {
		file := filepath.Join(h.rig.Dir, id+".yaml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			h.Fatal(err)
		}
		out, err := h.rig.Parley(ctx, h.env, "check", file)
		if err == nil {
			h.Errorf("parley check takes a literal: %s", out)
		}
		h.said["parley check "+id] = out
		if err := h.rig.Publish(ctx, id, content); err != nil {
			h.Fatal(err)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		ready := h.call(ctx, "GET", "http://"+h.client.Ops+"/readyz", "", nil) + h.call(ctx, "GET", "http://"+h.server.Ops+"/readyz", "", nil)
		if strings.Count(ready, `"refused"`) >= 3 { // both in the client, the routes in the server
			break
		}
		if time.Now().After(end) {
			h.Fatalf("the faulty documents are not refused: %s", ready)
		}
	}
	h.ask(ctx, "amy", "还在吗")
}

// platformsFail in every way that puts an access token or a URL with one into an error.
func (h *house) platformsFail(ctx context.Context) {
	sim := h.company.Sim
	token := h.call(ctx, "GET", h.company.Platform+"/cgi-bin/gettoken?corpid="+h.company.App.CorpID+"&corpsecret="+h.company.App.Secret, "", nil)
	_, token, _ = strings.Cut(token, `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	if len(token) < 20 {
		h.Fatalf("no access token: %q", token)
	}
	h.secrets.add("access token", token)
	for _, f := range []wecom.Fault{
		{API: "message/send", Status: 502, Body: "<html>" + token}, {API: "message/send", Lose: true}, {API: "message/send", Code: -1, Message: "access_token " + token},
		{API: "message/send", Redirect: "http://127.0.0.1/?access_token=" + token}, {API: "message/send", Code: 40014, Message: "invalid access_token " + token},
		{API: "message/send", Body: `{"errcode":"` + token + `"}`}, {API: "message/send", Delay: 7 * time.Second},
	} {
		sim.Inject(f)
		h.ask(ctx, "carl", "好")
	}
	for _, f := range []wecom.Fault{
		{API: "gettoken", Code: 40001, Message: "invalid credential " + h.company.App.Secret}, {API: "gettoken", Status: 500, Body: h.company.App.Secret},
		{API: "gettoken", Lose: true}, {API: "gettoken", Redirect: "http://127.0.0.1/?corpsecret=" + h.company.App.Secret},
	} {
		sim.Inject(f)
		sim.Inject(wecom.Fault{API: "message/send", Code: 42001, Message: "access_token expired"})
		h.ask(ctx, "dora", "好")
	}
	// Nobody listens at all for a while: connection refused, with the URL in Go's own error.
	sim.Inject(wecom.Fault{API: "message/send", Times: 2, Lose: true})
	h.ask(ctx, "emil", "好")
}

// scrape takes what the operators' addresses say.
func (h *house) scrape(ctx context.Context) {
	for name, ops := range map[string]string{"client": h.client.Ops, "server": h.server.Ops} {
		for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
			h.said[name+path] = h.call(ctx, "GET", "http://"+ops+path, "", nil)
		}
		config, err := os.ReadFile(filepath.Join(h.rig.Dir, name+".yaml"))
		if err != nil {
			h.Fatal(err)
		}
		_, debug, _ := strings.Cut(string(config), `debug: "`)
		debug, _, _ = strings.Cut(debug, `"`)
		for _, path := range []string{"/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/pprof/heap?debug=1"} {
			h.said[name+path] = h.call(ctx, "GET", "http://"+debug+path, "", nil)
		}
	}
}

// search goes through all that came out.
func (h *house) search() {
	for _, name := range []string{"client", "server"} {
		log, err := os.ReadFile(filepath.Join(h.rig.Dir, name+".log"))
		if err != nil {
			h.Fatal(err)
		}
		h.said["log of the "+name] = string(log)
	}
	for where, marks := range map[string][]string{ // the search looked where there was something to find
		"log of the server": {"refuses a key", "falling back", "SIGQUIT", "must be a reference"}, "log of the client": {"SIGQUIT", "is a literal", "send"},
		"client/metrics": {"parley_send_errors_total"}, "server/metrics": {"parley_llm_requests_total"},
	} {
		for _, mark := range marks {
			if !strings.Contains(h.said[where], mark) {
				h.Errorf("%s does not mention %q: the test does not see what it should", where, mark)
			}
		}
	}
	all := 0
	for where, text := range h.said {
		all += len(text)
		for _, f := range h.secrets.found(text) {
			h.Errorf("%s shows the %s", where, f)
		}
	}
	h.Logf("searched %d bytes from %d places for %d secrets", all, len(h.said), len(h.secrets))
	if h.Failed() {
		h.rig.Keep()
	}
}

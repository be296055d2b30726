package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"parley/internal/redisstore"
)

// entries is what the audit log tells of a kind of deed, the newest first.
func (r *room) entries(action string) (out []map[string]any) {
	r.t.Helper()
	a := r.login("olga").get("/api/audit")
	list, _ := a.json["entries"].([]any)
	for _, e := range list {
		if e, ok := e.(map[string]any); ok && e["action"] == action {
			out = append(out, e)
		}
	}
	if f, _ := a.json["findings"].([]any); len(f) > 0 {
		r.t.Errorf("the log is not whole: %v", f)
	}
	return out
}

func (r *room) store() *redisstore.Store {
	r.t.Helper()
	s, err := redisstore.New(redisstore.Options{Addrs: []string{r.redis.Addr()}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestSwitch: a drill shows and changes nothing, objections stand in the way, and what was done is in the log with who and why.
func TestSwitch(t *testing.T) {
	r := newRoom(t, nil)
	p := r.login("olga")
	a := p.post("/api/switches/drill", `{"to":"chatglm"}`)
	if a.status != http.StatusOK || !strings.Contains(a.body, "openai/gpt-4o") || !strings.Contains(a.body, "cannot be asked") {
		t.Errorf("drill: %d %s", a.status, a.body)
	}
	if a := p.post("/api/switches/degrade", `{"to":"chatglm"}`); a.status != http.StatusBadRequest {
		t.Errorf("without a reason: %d %s", a.status, a.body)
	}
	for body, want := range map[string]int{
		`{"to":"chatglm","reason":"x","for":"-1h"}`: http.StatusBadRequest, `{"to":"chatglm","reason":"x","ramp":"5m"}`: http.StatusBadRequest,
		`{"to":"chatglm","reason":"x","colour":"red"}`: http.StatusBadRequest, `{"to":"nobody","reason":"x","force":true}`: http.StatusConflict, `{"to":"a b","reason":"x"}`: http.StatusConflict,
		`{"to":"chatglm","reason":"x"}`: http.StatusConflict, // its server does not answer
	} {
		if a := p.post("/api/switches/degrade", body); a.status != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if text := r.read("parley-degradation"); text != "" {
		t.Fatalf("something was published: %s", text)
	}
	a = p.post("/api/switches/degrade", `{"to":"chatglm","reason":"OpenAI is down","force":true,"for":"2h","ramp":"15m","tenants":["acme"]}`)
	if a.status != http.StatusConflict || a.json["act"] == nil || !strings.Contains(a.body, "published, but not every server has it") {
		t.Errorf("forced: %d %s", a.status, a.body)
	}
	if text := r.read("parley-degradation"); !strings.Contains(text, "by: olga") || !strings.Contains(text, "reason: OpenAI is down") || !strings.Contains(text, "ramp: 15m") {
		t.Errorf("published: %s", text)
	}
	log := r.entries("degrade")
	if len(log) != 1 || log[0]["by"] != "olga" || log[0]["via"] != "console" || log[0]["reason"] != "OpenAI is down" || !strings.Contains(fmt.Sprint(log[0]["details"]), "forced_in_spite_of") {
		t.Errorf("the log: %v", log)
	}
	board := r.login("vera").get("/api/switches")
	if !strings.Contains(board.body, `"in_force":true`) || !strings.Contains(board.body, "OpenAI is down") || !strings.Contains(board.body, `"history":[{"seq"`) {
		t.Errorf("the board: %s", board.body)
	}
	if a := p.post("/api/switches/restore", `{"ids":["acme"],"reason":"it is back"}`); !strings.Contains(r.read("parley-degradation"), "active: false") {
		t.Errorf("restore: %d %s", a.status, a.body)
	}
	if log := r.entries("restore"); len(log) != 1 || log[0]["reason"] != "it is back" {
		t.Errorf("the log: %v", log)
	}
	if a := p.get("/api/status"); !strings.Contains(a.body, `"code":"server_silent"`) || !strings.Contains(a.body, `"code":"no_client"`) {
		t.Errorf("the status: %s", a.body)
	}
}

// TestNothingWithoutTheLog: what cannot be entered in the audit log is not done, and a text not shown; what only shows still does.
func TestNothingWithoutTheLog(t *testing.T) {
	r := newRoom(t, nil)
	p := r.login("ada")
	r.redis.SetError("LOADING")
	for path, body := range map[string]string{
		"/api/switches/degrade": `{"to":"chatglm","reason":"x","force":true}`, "/api/documents/tenant.acme/publish": documentBody(t, "name: acme\n", r.revision(p, "tenant.acme")),
		"/api/conversation/look": `{"tenant":"acme","channel":"web","id":"x","reason":"x"}`,
	} {
		if a := p.post(path, body); a.status < 400 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if r.read("parley-degradation") != "" || strings.HasSuffix(r.read("tenant.acme"), "name: acme\n") {
		t.Error("something was changed")
	}
	if a := p.get("/api/status"); a.status != http.StatusOK || !strings.Contains(a.body, "unknown_clients") {
		t.Errorf("status: %d %s", a.status, a.body)
	}
	if a := p.get("/api/switches"); a.status != http.StatusOK || a.json["unread"] == nil {
		t.Errorf("switches: %d %s", a.status, a.body)
	}
	if r.login("vera").get("/api/session").json["signed_in"] != true {
		t.Error("nobody can log in")
	}
}

func documentBody(t *testing.T, content, base string) string {
	t.Helper()
	b, err := json.Marshal(document{content, base, "a new prompt"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (r *room) revision(p *person, name string) string {
	s, _ := p.get("/api/documents/" + name).json["revision"].(string)
	return s
}

func TestDocuments(t *testing.T) {
	r := newRoom(t, nil)
	p := r.login("ada")
	if a := p.get("/api/documents"); a.status != http.StatusOK || strings.Count(a.body, `"name":`) != 2 || !strings.Contains(a.body, `"faults":[]`) {
		t.Errorf("the list: %d %s", a.status, a.body)
	}
	base := r.revision(p, "tenant.acme")
	good := strings.Replace(r.read("tenant.acme"), "name: acme", "name: acme\nsystem_prompt: be brief", 1)
	a := p.post("/api/documents/tenant.acme/check", documentBody(t, good, ""))
	if d, _ := a.json["difference"].(string); a.status != http.StatusOK || !strings.Contains(d, "+ system_prompt: be brief") || a.json["base"] != base {
		t.Errorf("check: %d %s", a.status, a.body)
	}
	for what, content := range map[string]string{
		"a key that is unknown":      good + "colour: red\n",
		"a literal":                  strings.Replace(good, "env:ACME_WEB_TOKEN", canary, 1),
		"another's secret":           strings.Replace(good, "ACME_WEB_TOKEN", "OTHER_TOKEN", 1),
		"another's name":             strings.Replace(good, "name: acme", "name: beta", 1),
		"what the routes don't have": good + "model: nothing\n",
		"no YAML":                    "name: [" + canary,
	} {
		if a := p.post("/api/documents/tenant.acme/publish", documentBody(t, content, base)); a.status != http.StatusConflict || !strings.Contains(a.body, "nothing was published") {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	broken := strings.Replace(routesDocument, "chatglm", "glm", 1)
	r.put("parley-degradation", "switches: [{id: all, active: true, to: chatglm}]\n")
	broken = strings.ReplaceAll(broken, ", chatglm/glm-4.6", "")
	if a := p.post("/api/documents/parley-routes/publish", documentBody(t, broken, r.revision(p, "parley-routes"))); a.status != http.StatusConflict || !strings.Contains(a.body, `"elsewhere":["parley-degradation`) {
		t.Errorf("routes that a switch needs: %d %s", a.status, a.body)
	}
	if a := p.post("/api/documents/tenant.acme/publish", documentBody(t, good, "0123456789ab")); a.code() != "conflict" {
		t.Errorf("on another form: %d %s", a.status, a.body)
	}
	if a := p.post("/api/documents/tenant.acme/publish", documentBody(t, good, base)); a.status != http.StatusOK || r.read("tenant.acme") != good {
		t.Errorf("publish: %d %s", a.status, a.body)
	}
	if a := p.post("/api/documents/tenant.beta/publish", documentBody(t, "name: beta\n", "")); a.status != http.StatusOK || r.read("tenant.beta") != "name: beta\n" {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
	for _, name := range []string{"client", "parley-x", "tenant.", "tenant.A", "..%2fetc%2fpasswd", "tenant.%2e%2e"} {
		if a := p.post("/api/documents/"+name+"/publish", documentBody(t, "a: b\n", "")); a.status < 400 {
			t.Errorf("%s is published: %s", name, a.body)
		}
	}
	log := r.entries("publish")
	if len(log) != 2 || log[1]["object"] != "tenant.acme" || log[1]["by"] != "ada" || log[1]["reason"] != "a new prompt" {
		t.Errorf("the log: %v", log)
	}
	if strings.Contains(r.log.String(), canary) {
		t.Error("the log holds a secret")
	}
}

// TestSecretsInDocuments: what somebody wrote where a reference belongs is shown to nobody (the room looks for the canary in every answer).
func TestSecretsInDocuments(t *testing.T) {
	r := newRoom(t, nil)
	p := r.login("ada")
	for name, content := range map[string]string{
		"tenant.acme":   "name: acme\nkeys: {openai: " + canary + "}\nchannels:\n  - {name: app, kind: wecom, secret: \"" + canary + "\", token: [env:A, " + canary + "], aes_key: " + canary + "}\n",
		"parley-routes": "providers:\n  openai: {dialect: openai, base_url: https://api.openai.com/v1, key: [" + canary + "1, " + canary + "2]}\n",
		"tenant.beta":   "name: beta\nkeys:\n  openai: \"" + canary[:4] + "\\x" + fmt.Sprintf("%x", canary[4]) + canary[5:] + "\"\n", // an escape
		"tenant.gamma":  "name: gamma\nkeys: {openai: " + canary + "\n",                                                              // no YAML
	} {
		r.put(name, content)
		a := p.get("/api/documents/" + name)
		if a.status != http.StatusOK || a.json["masked"] != true || strings.Contains(a.body, canary[5:]) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		p.post("/api/documents/"+name+"/check", documentBody(t, content+"\n# "+canary[:0], ""))
	}
	p.get("/api/documents")
	if a := p.get("/api/documents/tenant.acme"); !strings.Contains(a.body, "***") || !strings.Contains(a.body, "env:A") {
		t.Errorf("references may be shown: %s", a.body)
	}
}

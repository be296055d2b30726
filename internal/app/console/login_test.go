package console

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	r := newRoom(t, nil)
	p := r.stranger()
	if a := p.get("/api/session"); a.json["signed_in"] != false || a.json["token"] != nil {
		t.Errorf("a stranger's session: %s", a.body)
	}
	p = r.login("ADA") // names are read without case
	c := p.cookie
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || len(c.Value) < 40 {
		t.Errorf("the cookie: %+v", c)
	}
	if a := p.get("/api/session"); a.json["name"] != "ada" || a.json["role"] != "admin" {
		t.Errorf("the session: %s", a.body)
	}
	before := *p.cookie
	if a := p.post("/api/logout", "{}"); a.status != http.StatusOK || p.cookie.MaxAge >= 0 {
		t.Errorf("logout: %d %+v", a.status, p.cookie)
	}
	p.cookie = &before
	if a := p.get("/api/status"); a.status != http.StatusUnauthorized {
		t.Errorf("after the logout: %d", a.status)
	}
	if !strings.Contains(r.log.String(), `"action":"login"`) {
		t.Error("the login is not in the audit log")
	}
	if strings.Contains(r.log.String(), canary) {
		t.Errorf("the log holds a secret:\n%s", r.log)
	}
}

func TestSessionsEnd(t *testing.T) {
	r := newRoom(t, nil)
	idle, busy := r.login("vera"), r.login("vera")
	for range 30 { // 12 h 30 min
		r.pass(25 * time.Minute)
		if a := busy.get("/api/session"); a.json["signed_in"] != true && time.Until(r.clock()) < 11*time.Hour {
			t.Fatalf("it ended after %v", time.Until(r.clock()))
		}
	}
	for name, p := range map[string]*person{"idle": idle, "as long as may be": busy} {
		if a := p.get("/api/status"); a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if n := len(r.page.sessions.byID); n != 0 {
		t.Errorf("%d sessions are kept", n)
	}
}

// TestForgedRequests: another site's page can make a browser send requests with the cookie, and none of them changes anything.
func TestForgedRequests(t *testing.T) {
	r := newRoom(t, nil)
	for name, change := range map[string]func(*person){
		"another site":           func(p *person) { p.header.Set("Sec-Fetch-Site", "cross-site") },
		"another origin":         func(p *person) { p.header.Set("Origin", "https://evil.example") },
		"no token":               func(p *person) { p.token = "" },
		"another session's":      func(p *person) { p.token = r.login("olga").token },
		"a token that is a part": func(p *person) { p.token = p.token[:10] },
	} {
		p := r.login("olga")
		change(p)
		if a := p.post("/api/switches/degrade", `{"to":"chatglm","reason":"x"}`); a.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	p := r.login("olga")
	p.header.Set("Content-Type", "text/plain")
	if a := p.post("/api/switches/degrade", `{"to":"chatglm","reason":"x"}`); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form's type: %d", a.status)
	}
	if r.read("parley-degradation") != "" {
		t.Error("one of them changed something")
	}
	login := r.stranger()
	login.header.Set("Origin", "https://evil.example")
	if a := login.post("/api/login", fmt.Sprintf(`{"name":"ada","password":%q}`, canary+"password")); a.status != http.StatusForbidden {
		t.Errorf("a login from another site: %d", a.status)
	}
	for _, host := range []string{"evil.example", "evil.example:8090", "127.0.0.1.evil.example"} {
		p := r.stranger()
		p.header.Set("Host", host)
		if a := p.get("/"); a.status != http.StatusForbidden {
			t.Errorf("by the name %s: %d", host, a.status)
		}
	}
}

// TestBruteForce: five tries a minute for a name, and five for an address; what is right then is refused, too, until the minute is over.
func TestBruteForce(t *testing.T) {
	r := newRoom(t, func(o *Options) { o.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	try := func(name, password, from string) int {
		p := r.stranger()
		p.header.Set("X-Forwarded-For", "6.6.6.6, "+from) // who comes by a proxy can write what they like before it
		return p.post("/api/login", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password)).status
	}
	for i := range 8 {
		want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusTooManyRequests}[i < maxTries]
		if got := try("ada", "wrong", fmt.Sprintf("10.0.0.%d", i)); got != want {
			t.Errorf("try %d for a name: %d", i+1, got)
		}
		if got := try(fmt.Sprintf("nobody%d", i), "wrong", "10.1.1.1"); got != want {
			t.Errorf("try %d from an address: %d", i+1, got)
		}
	}
	if got := try("ada", canary+"password", "10.2.2.2"); got != http.StatusTooManyRequests {
		t.Errorf("the right password beyond the limit: %d", got)
	}
	if got := try("olga", canary+"password", "10.2.2.2"); got != http.StatusOK {
		t.Errorf("another user from another address: %d", got)
	}
	r.pass(window)
	for range 2 * maxTries { // those that are right do not count
		if got := try("ada", canary+"password", "10.1.1.1"); got != http.StatusOK {
			t.Errorf("after a minute: %d", got)
		}
	}
	if n := strings.Count(r.log.String(), `"action":"login_refused"`); n != 2 {
		t.Errorf("%d bursts are in the audit log, want one of the name and one of the address:\n%s", n, r.log)
	}
	if strings.Contains(r.log.String(), "nobody") {
		t.Error("the log tells what somebody typed as a name, which may be a password")
	}
}

// TestUnknownNamesCostTheSame: who tries names learns nothing from the time that it takes.
func TestUnknownNamesCostTheSame(t *testing.T) {
	var h hashes
	if err := h.open(users(t)); err != nil {
		t.Fatal(err)
	}
	took := func(name string) time.Duration {
		began := time.Now()
		if _, ok, err := h.verify(t.Context(), name, "wrong"); ok || err != nil {
			t.Fatal(ok, err)
		}
		return time.Since(began)
	}
	known, unknown := time.Hour, time.Hour
	for range 8 { // in turns: what else the machine does delays both
		known, unknown = min(known, took("ada")), min(unknown, took("nobody"))
	}
	if unknown < known/2 || known < unknown/2 {
		t.Errorf("a user's name takes %v, another %v", known, unknown)
	}
}

func TestInvitation(t *testing.T) {
	var next string
	r := newRoom(t, func(o *Options) { o.Users, o.Invited = nil, func(word string) { next = word } })
	word := r.page.Invite()
	enter := func(word string) (int, *person) {
		p := r.stranger()
		return p.post("/api/login", fmt.Sprintf(`{"invitation":%q}`, word)).status, p
	}
	if status, _ := enter("guessed"); status != http.StatusUnauthorized {
		t.Errorf("a guessed one: %d", status)
	}
	status, p := enter(word)
	if status != http.StatusOK || p.get("/api/status").status != http.StatusOK {
		t.Errorf("the right one: %d", status)
	}
	if status, _ := enter(word); status != http.StatusUnauthorized {
		t.Errorf("the same one again: %d", status)
	}
	if status, _ := enter(next); next == word || status != http.StatusOK {
		t.Errorf("the next one: %d", status)
	}
}

func TestHash(t *testing.T) {
	a, err := Hash("correct horse battery")
	b, _ := Hash("correct horse battery")
	if err != nil || a == b || !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %s, %v", a, b, err)
	}
	for _, short := range []string{"", "short", strings.Repeat("x", maxPassword+1)} {
		if _, err := Hash(short); err == nil {
			t.Errorf("a password of %d bytes is taken", len(short))
		}
	}
	for _, bad := range []string{"", "hunter2", "$2a$10$abc", "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$AAAA", strings.Replace(a, "t=2", "t=99", 1)} {
		if _, err := New(Options{Users: []User{{"x", Viewer, bad}}}); err == nil {
			t.Errorf("the hash %q is taken", bad)
		}
	}
}

// TestSecureCookies: where browsers speak https the cookie is for https alone, also behind a proxy, and names are those of public_url.
func TestSecureCookies(t *testing.T) {
	r := newRoom(t, func(o *Options) { o.Secure, o.PublicURL, o.Base = true, "https://ops.example.com", "/console" })
	p := r.stranger()
	p.header.Set("Host", "ops.example.com")
	p.header.Set("Origin", "https://ops.example.com")
	a := p.post("/api/login", fmt.Sprintf(`{"name":"ada","password":%q}`, canary+"password"))
	if a.status != http.StatusOK || !p.cookie.Secure || p.cookie.Path != "/console/" {
		t.Errorf("%d %s %+v", a.status, a.body, p.cookie)
	}
	if a.header.Get("Strict-Transport-Security") == "" || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers: %v", a.header)
	}
}

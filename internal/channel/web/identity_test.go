package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
)

const token1, token2 = "first-secret-token", "second-secret-token"

func login(b *browser, url, token string) (int, string, http.Header) {
	return b.do("POST", url+"/chat/acme/web/login", `{"token":"`+token+`"}`)
}

func TestLogin(t *testing.T) {
	srv := serve(t, replica(t, newStore(), tokenAccess(token1, token2)))
	tests := []struct {
		name, token string
		header      []string
		want        int
	}{
		{"the first token", token1, nil, 204},
		{"the second token", token2, nil, 204},
		{"pasted with a line end", token1 + `\n`, nil, 204},
		{"a wrong one", "wrong", nil, 401},
		{"a part of one", token1[:5], nil, 401},
		{"none", "", nil, 401},
		{"from another site", token1, []string{"Sec-Fetch-Site", "cross-site"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrowser(t)
			status, body, h := b.do("POST", srv.URL+"/chat/acme/web/login", `{"token":"`+tt.token+`"}`, tt.header...)
			if status != tt.want {
				t.Fatalf("status = %d, want %d: %s", status, tt.want, body)
			}
			cookie := h.Get("Set-Cookie")
			if status != 204 {
				if cookie != "" {
					t.Errorf("a refused sign-in set %q", cookie)
				}
				return
			}
			for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/chat/acme/web", "Max-Age="} {
				if !strings.Contains(cookie, want) {
					t.Errorf("cookie %q lacks %s", cookie, want)
				}
			}
			if strings.Contains(cookie, tt.token) {
				t.Error("the cookie holds the token")
			}
			if status, body, _ := b.do("POST", srv.URL+"/chat/acme/web/messages", `{"id":"a","text":"x"}`); status != 200 {
				t.Errorf("signed in, but a message = %d %s", status, body)
			}
			if _, page, _ := b.do("GET", srv.URL+"/chat/acme/web", ""); !strings.Contains(page, `data-signed-in="true"`) {
				t.Error("the page does not know that the browser is signed in")
			}
		})
	}
}

func TestLogout(t *testing.T) {
	srv := serve(t, replica(t, newStore(), tokenAccess(token1)))
	b := newBrowser(t)
	login(b, srv.URL, token1)
	if status, _, _ := b.do("POST", srv.URL+"/chat/acme/web/logout", `{}`, "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("another site signed the person out: %d", status)
	}
	if _, body, _ := b.do("GET", srv.URL+"/chat/acme/web/session", ""); !strings.Contains(body, `"signed_in":true`) {
		t.Errorf("session = %s", body)
	}
	if status, _, _ := b.do("POST", srv.URL+"/chat/acme/web/logout", `{}`); status != 204 {
		t.Errorf("logout = %d", status)
	}
	if _, body, _ := b.do("GET", srv.URL+"/chat/acme/web/session", ""); !strings.Contains(body, `"signed_in":false`) {
		t.Errorf("session = %s", body)
	}
}

// cookieOf signs a browser in and returns its cookie.
func cookieOf(t *testing.T, c *Channel, token string) string {
	t.Helper()
	w := httptest.NewRecorder()
	d, ok := c.enter(token)
	if !ok {
		t.Fatal("the token opens nothing")
	}
	c.give(w, httptest.NewRequest("POST", "/", nil), newVisitor(d))
	ck, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	return ck.Value
}

func TestCookie(t *testing.T) {
	both := replica(t, newStore(), tokenAccess(token1, token2))
	good := cookieOf(t, both, token1)
	id, rest, _ := strings.Cut(good, ".")
	issued, mac, _ := strings.Cut(rest, ".")
	globex := tokenAccess(token1)
	globex.tenant = "globex"
	later := replica(t, newStore(), tokenAccess(token1))
	later.now = func() time.Time { return time.Now().Add(cookieFor + time.Minute) }
	before := replica(t, newStore(), tokenAccess(token1))
	before.now = func() time.Time { return time.Now().Add(-2 * time.Hour) }

	tests := []struct {
		name   string
		where  *Channel
		cookie string
		want   bool
	}{
		{"as given", both, good, true},
		{"another replica, tokens in another order", replica(t, newStore(), tokenAccess(token2, token1)), good, true},
		{"after its token was taken out", replica(t, newStore(), tokenAccess(token2)), good, false},
		{"another tenant with the same token", replica(t, newStore(), globex), good, false},
		{"too old", later, good, false},
		{"from the future", before, good, false},
		{"another id", both, strings.Repeat("A", 22) + "." + rest, false},
		{"another time", both, id + ".1." + mac, false},
		{"no mac", both, id + "." + issued + ".", false},
		{"cut", both, id + "." + issued, false},
		{"not base64", both, id + "." + issued + ".!!", false},
		{"an id that is a path", both, "../../../../../../../a." + rest, false},
		{"empty", both, "", false},
		{"open mode's key", both, cookieOpen(t), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/chat/acme/web", nil)
			r.AddCookie(&http.Cookie{Name: cookieName, Value: tt.cookie})
			v, ok := tt.where.visitor(r)
			if ok != tt.want || (ok && v.id != id) {
				t.Errorf("visitor = %q, %t; want %t", v.id, ok, tt.want)
			}
		})
	}
}

func cookieOpen(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	replica(t, newStore(), openAccess()).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/chat/acme/web", nil))
	ck, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	return ck.Value
}

// A browser that is used stays the same person; its cookie is renewed now and then, with the same id.
func TestCookieIsRenewed(t *testing.T) {
	c := replica(t, newStore(), tokenAccess(token1))
	old := cookieOf(t, c, token1)
	for _, tt := range []struct {
		name string
		age  time.Duration
		want bool
	}{{"young", time.Hour, false}, {"old", renewAfter + time.Hour, true}} {
		t.Run(tt.name, func(t *testing.T) {
			c.now = func() time.Time { return time.Now().Add(tt.age) }
			r := httptest.NewRequest("GET", "/chat/acme/web", nil)
			r.AddCookie(&http.Cookie{Name: cookieName, Value: old})
			r.Header.Set("X-Forwarded-Proto", "https")
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			got := w.Header().Get("Set-Cookie")
			if (got != "") != tt.want {
				t.Fatalf("Set-Cookie = %q, want one: %t", got, tt.want)
			}
			if tt.want && (!strings.HasPrefix(got, cookieName+"="+old[:23]) || !strings.Contains(got, "; Secure")) {
				t.Errorf("Set-Cookie = %q, want the id %s and Secure behind https", got, old[:22])
			}
		})
	}
}

// Open mode: whoever comes gets an identity and keeps it, also on another replica.
func TestOpenIdentity(t *testing.T) {
	st := newStore()
	one, two := serve(t, replica(t, st, openAccess())), replica(t, st, openAccess())
	b := newBrowser(t)
	b.do("GET", one.URL+"/chat/acme/web", "")
	b.do("POST", one.URL+"/chat/acme/web/messages", `{"id":"a","text":"x"}`)
	one.Config.Handler = two
	b.do("POST", one.URL+"/chat/acme/web/messages", `{"id":"b","text":"y"}`)
	got := st.accepted()
	if len(got) != 2 || got[0].User != got[1].User {
		t.Errorf("one browser became two: %+v", got)
	}
}

// Wrong tokens must neither be logged nor told, and only so many can be tried at once.
func TestGuessing(t *testing.T) {
	var log bytes.Buffer
	s := tokenAccess(token1)
	s.tenant = "acme"
	c := New(s, channel.Deps{Log: slog.New(slog.NewTextHandler(&log, nil))})
	c.penalty = 0
	srv := serve(t, c)
	_, body, _ := login(newBrowser(t), srv.URL, "guess-4711")
	if strings.Contains(body+log.String(), "guess-4711") || strings.Contains(body+log.String(), token1) {
		t.Errorf("a token shows: %s %s", body, log.String())
	}
	for range cap(c.logins) {
		c.logins <- struct{}{}
	}
	if status, body, _ := login(newBrowser(t), srv.URL, token1); status != 429 || code(t, body) != "rate_limited" {
		t.Errorf("while others are being held up: %d %s", status, body)
	}
}

package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A cookie that other sites' pages cause to be sent is given only where the tenant lets other sites frame the page, and only where browsers
// would keep it; then it is partitioned.
func TestCookieWithinAnotherSite(t *testing.T) {
	tests := []struct {
		name, embed, host, proto string
		want, not                []string
	}{
		{"nobody frames it", "", "chat.example", "https", []string{"SameSite=Strict", "Secure"}, []string{"Partitioned", "None"}},
		{"the same origin frames it", "self", "chat.example", "https", []string{"SameSite=Strict", "Secure"}, []string{"Partitioned", "None"}},
		{"another site frames it", "https://intranet.example", "chat.example", "https", []string{"SameSite=None", "Secure", "Partitioned"}, []string{"Strict"}},
		{"without TLS it would not be kept", "https://intranet.example", "chat.example", "", []string{"SameSite=Strict"}, []string{"Partitioned", "None", "Secure"}},
		{"loopback is as good as TLS", "http://127.0.0.1:9000", "127.0.0.1:8080", "", []string{"SameSite=None", "Secure", "Partitioned"}, nil},
		{"an address that is not loopback is not", "http://10.0.0.1", "10.0.0.2:8080", "", []string{"SameSite=Strict"}, []string{"Partitioned"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tokenAccess(token1)
			if tt.embed != "" {
				s.fields["embed"] = tt.embed
			}
			c := replica(t, newStore(), s)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+tt.host+c.base+"/login", strings.NewReader(`{"token":"`+token1+`"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Forwarded-Proto", tt.proto)
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			cookie := w.Header().Get("Set-Cookie")
			for _, want := range append(tt.want, "HttpOnly", "Path=/chat/acme/web") {
				if !strings.Contains(cookie, want) {
					t.Errorf("cookie %q lacks %s", cookie, want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(cookie, not) {
					t.Errorf("cookie %q has %s", cookie, not)
				}
			}
		})
	}
}

// What protects a conversation once the cookie travels with other sites' requests is that each of those is refused.
func TestOtherSitesAreRefusedWhereTheCookieTravels(t *testing.T) {
	s := tokenAccess(token1)
	s.fields["embed"] = "https://intranet.example"
	st := newStore()
	c := replica(t, st, s)
	door, _ := c.enter(token1)
	value := cookieValue(c, newVisitor(door))
	for _, site := range []string{"cross-site", "same-site"} {
		for _, do := range []struct{ method, path, body string }{
			{"POST", "/messages", `{"id":"a","text":"x"}`}, {"POST", "/logout", `{}`}, {"POST", "/login", `{"token":"x"}`}, {"GET", "/events", ""},
		} {
			r := httptest.NewRequestWithContext(t.Context(), do.method, "https://chat.example"+c.base+do.path, strings.NewReader(do.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Origin", "https://intranet.example") // even the site that may frame it
			r.AddCookie(&http.Cookie{Name: cookieName, Value: value})
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s %s from a %s page: %d, cookies %v", do.method, do.path, site, w.Code, w.Result().Cookies())
			}
		}
	}
	if len(st.accepted()) > 0 {
		t.Error("another site's page said something")
	}
}

// A browser may send the cookie of the page alone beside that of the page within another: one that was taken out of force hides no good one.
func TestOneOfTwoCookiesCounts(t *testing.T) {
	s := tokenAccess(token1)
	s.fields["embed"] = "https://intranet.example"
	c := replica(t, newStore(), s)
	door, _ := c.enter(token1)
	v := newVisitor(door)
	good := cookieValue(c, v)
	for name, values := range map[string][]string{"last": {"stale.1.AAAA", good}, "first": {good, "stale.1.AAAA"}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.base, nil)
		for _, value := range values {
			r.AddCookie(&http.Cookie{Name: cookieName, Value: value})
		}
		if got, ok := c.visitor(r); !ok || got.id != v.id {
			t.Errorf("the good one %s: %v %v", name, got.id, ok)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://chat.example"+c.base+"/logout", nil)
	c.ServeHTTP(w, r)
	gone := map[bool]bool{} // by whether it is partitioned
	for _, ck := range w.Result().Cookies() {
		gone[ck.Partitioned] = ck.MaxAge < 0
	}
	if !gone[true] || !gone[false] {
		t.Errorf("signing out takes back %v, want both", w.Result().Cookies())
	}
}

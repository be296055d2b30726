package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzMessage posts any body as a browser that signed in. What is taken in is a message of that browser and of nobody else, within bounds.
func FuzzMessage(f *testing.F) {
	for _, body := range []string{
		`{"id":"m-1","text":"你好"}`, `{"text":" x "}`, `{"id":"../x","text":"y"}`, `{"id":"a","text":""}`, `{"ID":"a","Text":"b","id":"c"}`, `{"id":1,"text":{}}`,
		`{"id":"a","text":"\ud800"}`, `[[[[`, `null`, `{"id":"a","text":"b"}{"id":"c"}`, strings.Repeat("[", 2000), "{\"text\":\"\xff\x00\"}",
	} {
		f.Add([]byte(body))
	}
	st := newStore()
	c := replica(f, st, tokenAccess("the-token"))
	door, _ := c.enter("the-token")
	v := newVisitor(door)
	value := cookieValue(c, v)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := len(st.accepted())
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.base+"/messages", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(&http.Cookie{Name: cookieName, Value: value})
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		list := st.accepted()
		switch {
		case w.Code != http.StatusOK:
			if len(list) != before {
				t.Fatalf("answered %d, and took it in: %+v", w.Code, list[len(list)-1])
			}
		case len(list) > before: // else the id was seen before
			m := list[len(list)-1]
			if !strings.HasPrefix(m.ID, v.id+"/") || len(m.ID) > len(v.id)+65 || m.User != v.id || m.Conversation != c.key(v) {
				t.Errorf("a message of somebody else: %+v", m)
			}
			if strings.TrimSpace(m.Text) == "" || len(m.Text) > maxBody || !utf8.ValidString(m.Text) {
				t.Errorf("text of %d bytes: %.80q", len(m.Text), m.Text)
			}
		}
	})
}

// FuzzCookie shows any cookie to two tenants that share a token. Only one that this tenant signed, and lately, is somebody.
func FuzzCookie(f *testing.F) {
	theirs := tokenAccess("the-token")
	theirs.tenant = "beta"
	a, b := replica(f, newStore(), tokenAccess("the-token")), replica(f, newStore(), theirs)
	at := time.Unix(1_790_000_000, 0) // every process that fuzzes must give the same cookie
	a.now, b.now = func() time.Time { return at }, func() time.Time { return at }
	door, _ := a.enter("the-token")
	good := cookieValue(a, visitor{id: "AAAAAAAAAAAAAAAAAAAAAA", door: door})
	id, rest, _ := strings.Cut(good, ".")
	for _, value := range []string{
		good, "", "..", id, id + ".", id + "." + rest + "=", strings.ToUpper(good), id + ".0" + rest, id + ".-1." + rest, id + ".9223372036854775807.AAAA", id + "." + id + "." + id,
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, a.base, nil)
		r.Header.Set("Cookie", cookieName+"="+value)
		if v, ok := b.visitor(r); ok {
			t.Errorf("beta knows %q as %s", value, v.id)
		}
		if v, ok := a.visitor(r); ok && v.id != id {
			t.Errorf("acme knows %q as %s, who was given none", value, v.id)
		}
	})
}

func cookieValue(c *Channel, v visitor) string {
	w := httptest.NewRecorder()
	c.give(w, httptest.NewRequest(http.MethodGet, c.base, nil), v)
	return w.Result().Cookies()[0].Value
}

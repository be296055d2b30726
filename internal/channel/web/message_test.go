package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"parley/internal/chat"
)

func TestMessage(t *testing.T) {
	tests := []struct {
		name   string
		body   string
		header []string
		fail   error
		want   int
		code   string
		text   string // what was stored; empty: nothing
	}{
		{name: "stored", body: `{"id":"a1","text":" 你好 "}`, want: 200, text: "你好"},
		{name: "same origin", body: `{"id":"a1","text":"x"}`, header: []string{"Sec-Fetch-Site", "same-origin"}, want: 200, text: "x"},
		{name: "without an id", body: `{"text":"x"}`, want: 200, text: "x"},
		{name: "a field of a later page", body: `{"id":"a1","text":"x","later":1}`, want: 200, text: "x"},
		{name: "another site's page", body: `{"id":"a1","text":"x"}`, header: []string{"Sec-Fetch-Site", "cross-site"}, want: 403, code: "forbidden"},
		{name: "a neighbour's page", body: `{"id":"a1","text":"x"}`, header: []string{"Sec-Fetch-Site", "same-site"}, want: 403, code: "forbidden"},
		{name: "another origin, older browser", body: `{"id":"a1","text":"x"}`, header: []string{"Origin", "https://evil.example"}, want: 403, code: "forbidden"},
		{name: "a form", body: `{"id":"a1","text":"x"}`, header: []string{"Content-Type", "text/plain"}, want: 415, code: "invalid"},
		{name: "no text", body: `{"id":"a1","text":" \n "}`, want: 400, code: "invalid"},
		{name: "a path as id", body: `{"id":"../a","text":"x"}`, want: 400, code: "invalid"},
		{name: "a long id", body: `{"id":"` + strings.Repeat("a", 65) + `","text":"x"}`, want: 400, code: "invalid"},
		{name: "not JSON", body: `id=1`, want: 400, code: "invalid"},
		{name: "too long", body: `{"id":"a1","text":"` + strings.Repeat("长", 30000) + `"}`, want: 413, code: "too_large"},
		{name: "store down", body: `{"id":"a1","text":"x"}`, fail: chat.E(chat.Unavailable, "redis", nil), want: 503, code: "unavailable"},
		{name: "store slow", body: `{"id":"a1","text":"x"}`, fail: context.DeadlineExceeded, want: 503, code: "timeout"},
		{name: "unforeseen", body: `{"id":"a1","text":"x"}`, fail: errors.New("boom"), want: 503, code: "internal"},
		{name: "tenant suspended", body: `{"id":"a1","text":"x"}`, fail: chat.E(chat.NotFound, "accept", nil), want: 404, code: "not_found"},
		{name: "over the rate", body: `{"id":"a1","text":"x"}`, fail: chat.E(chat.RateLimited, "accept", nil), want: 429, code: "rate_limited"},
		{name: "over the tenant's length", body: `{"id":"a1","text":"x"}`, fail: chat.E(chat.TooLarge, "accept", nil), want: 413, code: "too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newStore()
			srv := serve(t, replica(t, st, openAccess()))
			st.failWith(tt.fail)
			status, body, _ := newBrowser(t).do("POST", srv.URL+"/chat/acme/web/messages", tt.body, tt.header...)
			if status != tt.want {
				t.Fatalf("status = %d, want %d: %s", status, tt.want, body)
			}
			if tt.code != "" && code(t, body) != tt.code {
				t.Errorf("error = %s, want code %s", body, tt.code)
			}
			got := st.accepted()
			if tt.text == "" {
				if len(got) != 0 {
					t.Errorf("stored %+v, want nothing", got)
				}
				return
			}
			if len(got) != 1 || got[0].Text != tt.text || got[0].Kind != chat.KindText || got[0].SentAt.IsZero() {
				t.Errorf("stored %+v", got)
			}
		})
	}
}

func TestMessagesOfTwoBrowsersStayApart(t *testing.T) {
	st := newStore()
	srv := serve(t, replica(t, st, openAccess()))
	anna, bao := newBrowser(t), newBrowser(t)
	for _, b := range []*browser{anna, bao, anna, bao} { // the second of each is a redelivery
		if status, body, _ := b.do("POST", srv.URL+"/chat/acme/web/messages", `{"id":"same","text":"hi"}`); status != 200 {
			t.Fatal(status, body)
		}
	}
	got := st.accepted()
	if len(got) != 2 {
		t.Fatalf("stored %d messages, want one of each browser", len(got))
	}
	if got[0].Conversation == got[1].Conversation || got[0].ID == got[1].ID || got[0].User == got[1].User {
		t.Errorf("two browsers share something: %+v", got)
	}
	for _, m := range got {
		if m.Conversation.Tenant != "acme" || m.Conversation.Channel != "web" || m.Conversation.ID != m.User {
			t.Errorf("conversation = %+v", m.Conversation)
		}
	}
}

func TestWithoutTokenNothingIsTaken(t *testing.T) {
	st := newStore()
	srv := serve(t, replica(t, st, tokenAccess("secret-token")))
	b := newBrowser(t)
	for _, try := range []struct{ method, path, body string }{
		{"POST", "/messages", `{"id":"a","text":"x"}`},
		{"GET", "/events", ""},
		{"GET", "/events?token=secret-token", ""}, // never in an address
	} {
		status, body, h := b.do(try.method, srv.URL+"/chat/acme/web"+try.path, try.body)
		if status != http.StatusUnauthorized || code(t, body) != "unauthenticated" || h.Get("Set-Cookie") != "" {
			t.Errorf("%s %s = %d %s, cookie %q", try.method, try.path, status, body, h.Get("Set-Cookie"))
		}
	}
	if len(st.accepted()) != 0 {
		t.Error("something was stored")
	}
}

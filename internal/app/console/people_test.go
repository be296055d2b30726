package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

// give has somebody write, and everything done with the message that do does.
func give(t *testing.T, s *redisstore.Store, id string, do func(context.Context, conversation.Claim)) chat.ConversationKey {
	t.Helper()
	key := chat.ConversationKey{Tenant: "acme", Channel: "web", ID: id}
	m := chat.Message{ID: "m-" + id, Conversation: key, User: id, Kind: chat.KindText, Text: canary + " wrote " + id}
	if _, err := s.Accept(t.Context(), m, conversation.AcceptOptions{DedupeFor: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	claims, err := s.Claim(t.Context(), []conversation.Shard{conversation.ShardOf(key)}, "client-1", 1, conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 20})
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	do(t.Context(), claims[0])
	return key
}

// TestDeadLetters: they are listed without text and name, retried and dropped with a reason, which is entered first.
func TestDeadLetters(t *testing.T) {
	r := newRoom(t, nil)
	s := r.store()
	for _, id := range []string{"zhang", "li"} {
		give(t, s, id, func(ctx context.Context, c conversation.Claim) {
			if _, err := s.GiveUp(ctx, c, "undeliverable", time.Hour, conversation.ClaimOptions{Lease: time.Minute}); err != nil {
				t.Fatal(err)
			}
		})
	}
	p := r.login("olga")
	a := p.get("/api/dead")
	if strings.Contains(a.body, "zhang") || strings.Count(a.body, `"reason":"undeliverable"`) != 2 {
		t.Errorf("the list: %s", a.body)
	}
	var ids []string
	for _, l := range a.json["letters"].([]any) {
		ids = append(ids, l.(map[string]any)["id"].(string))
	}
	deal := func(action, reason string, ids ...string) answer {
		body, _ := json.Marshal(map[string]any{"ids": ids, "reason": reason})
		return p.post("/api/dead/"+action, string(body))
	}
	for what, a := range map[string]answer{"no reason": deal("drop", "", ids...), "none": deal("drop", "x"), "no id": deal("drop", "x", "acme:zhang")} {
		if a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if a := deal("retry", "the model works again", ids[0]); a.status != http.StatusOK {
		t.Errorf("retry: %d %s", a.status, a.body)
	}
	if a := deal("drop", "nobody asks any more", ids[1]); a.status != http.StatusOK {
		t.Errorf("drop: %d %s", a.status, a.body)
	}
	if a := deal("drop", "again", ids[1]); a.status != http.StatusConflict {
		t.Errorf("what is none any more: %d %s", a.status, a.body)
	}
	if letters, err := s.DeadLetters(t.Context(), "acme", 10); err != nil || len(letters) != 0 {
		t.Errorf("left: %v, %v", letters, err)
	}
	if st, err := s.Stats(t.Context(), "acme"); err != nil || st.Waiting != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	if a, b := r.entries("retry"), r.entries("drop"); len(a) != 1 || a[0]["reason"] != "the model works again" || len(b) != 1 {
		t.Errorf("the log: %v %v", a, b)
	}
}

// TestConversation: its record is told without a word of it; its words only to who may, says why, and is in the log before.
func TestConversation(t *testing.T) {
	r := newRoom(t, nil)
	s := r.store()
	give(t, s, "zhang", func(ctx context.Context, c conversation.Claim) {
		o := conversation.Outcome{
			Turn: &chat.Turn{Question: canary + " asked", Answer: canary + " answered", QuestionTokens: 7, AnswerTokens: 9, At: time.Now()}, Parts: []chat.Part{chat.Part(canary)},
			Keep: conversation.Keep{Turns: 20, TTL: time.Hour}, State: conversation.State{Model: "chat"}, Claim: conversation.ClaimOptions{Lease: time.Minute},
		}
		if _, err := s.Commit(ctx, c, o); err != nil {
			t.Fatal(err)
		}
	})
	p := r.login("olga")
	const byID = `{"tenant":"acme","channel":"web","id":"zhang"}`
	a := p.post("/api/conversation", byID)
	for _, want := range []string{`"owner":"client-1"`, `"attempts":1`, `"parts":1`, `"model":"chat"`, `"question_tokens":7`, `"forgotten":"`, `"turn":"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s is missing: %d %s", want, a.status, a.body)
		}
	}
	waiting, _ := a.json["waiting"].([]any)
	turn, _ := waiting[0].(map[string]any)["turn"].(string)
	if a := p.post("/api/conversation", fmt.Sprintf(`{"tenant":"acme","turn":%q}`, turn)); a.json["id"] != "zhang" {
		t.Errorf("by its turn: %d %s", a.status, a.body)
	}
	for body, want := range map[string]int{`{"tenant":"acme","channel":"web","id":"li"}`: http.StatusNotFound, `{"tenant":"acme","turn":"0"}`: http.StatusNotFound, `{"tenant":"beta","channel":"web","id":"zhang"}`: http.StatusNotFound,
		`{"tenant":"a*","channel":"web","id":"zhang"}`: http.StatusBadRequest, `{"tenant":"acme"}`: http.StatusBadRequest} {
		if a := p.post("/api/conversation", body); a.status != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	ada := r.login("ada")
	if a := ada.post("/api/conversation/look", byID); a.status != http.StatusBadRequest {
		t.Errorf("without a reason: %d", a.status)
	}
	if n := len(r.entries("look")); n != 0 {
		t.Errorf("%d looks are in the log before one", n)
	}
	r.shows = true
	a = ada.post("/api/conversation/look", strings.Replace(byID, "}", `,"reason":"complaint 4711"}`, 1))
	r.shows = false
	if strings.Count(a.body, canary) != 3 {
		t.Errorf("the texts: %d %s", a.status, a.body)
	}
	if log := r.entries("look"); len(log) != 1 || log[0]["by"] != "ada" || log[0]["reason"] != "complaint 4711" || strings.Contains(fmt.Sprint(log[0]), "zhang") {
		t.Errorf("the log: %v", log)
	}
	r.page.opt.Look = false
	if a := ada.post("/api/conversation/look", strings.Replace(byID, "}", `,"reason":"x"}`, 1)); a.code() != "look_off" {
		t.Errorf("where it is not permitted: %d %s", a.status, a.body)
	}
}

// TestUsage: what was spent, by day and model, with what it cost.
func TestUsage(t *testing.T) {
	r := newRoom(t, nil)
	r.put("parley-prices", "currency: CNY\nprices:\n  - {model: openai/gpt-4o, from: 2026-01-01, input: 18, output: 72}\n")
	s := r.store()
	give(t, s, "zhang", func(ctx context.Context, c conversation.Claim) {
		spent := []chat.Spend{{Provider: "openai", Model: "gpt-4o", Usage: chat.Usage{Input: 1_000_000, Output: 500_000}}}
		if err := s.Spend(ctx, c, "hashed", spent); err != nil {
			t.Fatal(err)
		}
	})
	a := r.login("vera").get("/api/usage")
	if a.status != http.StatusOK || !strings.Contains(a.body, `"cost":"54.00"`) || !strings.Contains(a.body, `"currency":"CNY"`) || strings.Contains(a.body, "hashed") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, query := range []string{"?from=yesterday", "?from=2026-01-02&to=2026-01-01", "?by=colour", "?tenant=A*"} {
		if a := r.login("vera").get("/api/usage" + query); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

// TestTamperedLog: the page says so, and where.
func TestTamperedLog(t *testing.T) {
	r := newRoom(t, nil)
	for range 3 {
		r.login("ada")
	}
	const key = "parley:1:{OPERATORS}:audit"
	entries, err := r.redis.Stream(key)
	if err != nil || len(entries) != 3 {
		t.Fatal(entries, err)
	}
	r.redis.Del(key)
	for _, e := range slices.Clone(entries) {
		if _, err := r.redis.XAdd(key, e.ID, []string{"e", strings.Replace(e.Values[1], `"seq":2`, `"seq":2,"by":"mallory"`, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	a := r.login("olga").get("/api/audit")
	if f, _ := a.json["findings"].([]any); len(f) == 0 || f[0].(map[string]any)["seq"] != float64(3) {
		t.Errorf("%s", a.body)
	}
}

// TestLargeBodies: what is too large is refused, and what comes beside the JSON.
func TestLargeBodies(t *testing.T) {
	r := newRoom(t, nil)
	p := r.login("ada")
	if a := p.post("/api/conversation", `{"tenant":"`+strings.Repeat("x", maxBody)+`"}`); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", a.status)
	}
	if a := p.post("/api/documents/tenant.acme/check", documentBody(t, strings.Repeat("#", maxDocument+1), "")); a.status != http.StatusBadRequest {
		t.Errorf("a document too large: %d", a.status)
	}
	for _, body := range []string{"", "[]", "{", `{} {}`, `{"tenant":1}`} {
		if a := p.post("/api/conversation", body); a.status != http.StatusBadRequest {
			t.Errorf("%q: %d", body, a.status)
		}
	}
}

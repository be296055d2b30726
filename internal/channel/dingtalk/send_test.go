package dingtalk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

const (
	hookPath   = "/robot/sendBySession"
	personPath = "/v1.0/robot/oToMessages/batchSend"
	groupPath  = "/v1.0/robot/groupMessages/send"
)

func TestWaysOut(t *testing.T) {
	for name, tc := range map[string]struct {
		said  sim.Message
		fault *sim.Fault
		text  string
		want  []sim.Shown
	}{
		"a short text": {sim.Message{User: "zhang"}, nil, "好的。", []sim.Shown{{Chat: "zhang", Way: sim.WayWebhook, Type: "text", Content: "好的。"}}},
		"Markdown": {
			sim.Message{User: "zhang"}, nil, "# 标题\n\n- 一\n- 二",
			[]sim.Shown{{Chat: "zhang", Way: sim.WayWebhook, Type: "markdown", Title: "标题", Content: "# 标题\n\n- 一\n- 二"}},
		},
		"a group": {
			sim.Message{User: "zhang", Group: group}, nil, "好的。",
			[]sim.Shown{{Chat: group, Way: sim.WayWebhook, Type: "text", Content: "@zhang \n\n好的。", Mentions: []string{"zhang"}}},
		},
		"somebody from outside in a group": {
			sim.Message{User: "guest", Outside: true, Group: group}, nil, "好的。",
			[]sim.Shown{{Chat: group, Way: sim.WayWebhook, Type: "text", Content: "好的。", Mentions: []string{"$:LWCP_v1:$guest"}}},
		},
		"nobody else is mentioned": {
			sim.Message{User: "zhang", Group: group}, nil, "@所有人 看 <at>li</at>",
			[]sim.Shown{{
				Chat: group, Way: sim.WayWebhook, Type: "markdown", Title: "@所有人 看 <atli</at", Mentions: []string{"zhang"},
				Content: "@zhang \n\n@\u2060所有人 看 <\u2060at>li<\u2060/at>",
			}},
		},
		"no webhook": {
			sim.Message{User: "zhang", NoWebhook: true}, nil, "好的。",
			[]sim.Shown{{Chat: "zhang", Way: sim.WayRobot, Type: "text", Content: "好的。"}},
		},
		"no webhook in a group": {
			sim.Message{User: "zhang", Group: group, NoWebhook: true}, nil, "**好的**",
			[]sim.Shown{{Chat: group, Way: sim.WayRobot, Type: "markdown", Title: "好的", Content: "**好的**"}},
		},
		"a webhook that has ended": {
			sim.Message{User: "zhang"}, &sim.Fault{API: hookPath, Times: -1, Body: `{"errcode":300001,"errmsg":"session 不存在"}`}, "好的。",
			[]sim.Shown{{Chat: "zhang", Way: sim.WayRobot, Type: "text", Content: "好的。"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sim.Options{})
			c := s.replica(nil)
			tc.said.Text = "问"
			m := s.hear(c, tc.said)
			if tc.fault != nil {
				s.sim.Inject(*tc.fault)
			}
			s.must(s.reply(c, m, tc.text))
			if d := cmp.Diff(tc.want, s.shown(tc.want[0].Chat)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// A webhook that is older than its time is not asked any more.
func TestExpiredWebhook(t *testing.T) {
	s := newStage(t, sim.Options{WebhookLife: webhookMargin / 2})
	c := s.replica(nil)
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	s.must(s.reply(c, m, "好的。"))
	if s.sim.Calls(hookPath) != 0 || s.sim.Calls(personPath) != 1 {
		t.Errorf("%d calls of the webhook", s.sim.Calls(hookPath))
	}
}

// A webhook is asked only where configuration allows it when the reply goes, not when the message came.
func TestWebhookNoLongerAllowed(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	d := s.deps()
	d.Origins.DingTalkWebhooks = []string{"https://oapi.dingtalk.com"}
	s.must(s.reply(newRobot(t, d, nil), m, "好的。"))
	if s.sim.Calls(hookPath) != 0 || len(s.shown("zhang")) != 1 {
		t.Errorf("%d calls of the webhook; shown %+v", s.sim.Calls(hookPath), s.shown("zhang"))
	}
}

func TestRefusals(t *testing.T) {
	api := func(status int, body string) sim.Fault {
		return sim.Fault{API: personPath, Times: -1, Status: status, Body: body}
	}
	hook := func(body string) sim.Fault { return sim.Fault{API: hookPath, Times: -1, Body: body} }
	for name, tc := range map[string]struct {
		said  sim.Message
		fault sim.Fault
		want  chat.Error
	}{
		"too often": {
			sim.Message{NoWebhook: true}, api(403, `{"code":"Forbidden.AccessDenied.QpsLimitForAppkeyAndApi","message":"qps"}`),
			chat.Error{Kind: chat.RateLimited, Code: "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", RetryAfter: time.Second},
		},
		"no permission": {
			sim.Message{NoWebhook: true}, api(403, `{"code":"Forbidden.AccessDenied.AccessTokenPermissionDenied","message":"应用尚未开通所需的权限：[qyapi_robot_sendmsg]"}`),
			chat.Error{Kind: chat.Forbidden, Code: "Forbidden.AccessDenied.AccessTokenPermissionDenied"},
		},
		"an address that is blocked": {sim.Message{NoWebhook: true}, api(200, `{"status":1111,"wait":5}`), chat.Error{Kind: chat.RateLimited, Code: "blocked", RetryAfter: blockedFor}},
		"the firewall's page":        {sim.Message{NoWebhook: true}, api(405, "<html>405</html>"), chat.Error{Kind: chat.RateLimited, Code: "blocked", RetryAfter: blockedFor}},
		"a slow backend":             {sim.Message{NoWebhook: true}, api(504, `{"code":"ServiceTimeout","message":"x"}`), chat.Error{Kind: chat.Timeout, Code: "ServiceTimeout", Maybe: true}},
		"a broken backend":           {sim.Message{NoWebhook: true}, api(500, `{"code":"unknownError","message":"x"}`), chat.Error{Kind: chat.Unavailable, Code: "unknownError", Maybe: true}},
		"a wrong parameter":          {sim.Message{NoWebhook: true}, api(400, `{"code":"invalidParameter","message":"x"}`), chat.Error{Kind: chat.Invalid, Code: "invalidParameter"}},
		"who left":                   {sim.Message{User: "gone1", NoWebhook: true}, sim.Fault{API: "-"}, chat.Error{Kind: chat.NotFound, Code: "invalidStaffId"}},
		"who gets too much": {
			sim.Message{NoWebhook: true}, api(200, `{"processQueryKey":"k","flowControlledStaffIdList":["zhang"]}`),
			chat.Error{Kind: chat.RateLimited, Code: "flowControlled", RetryAfter: floodFor},
		},
		"nobody to write to":   {sim.Message{User: "guest", Outside: true, NoWebhook: true}, sim.Fault{API: "-"}, chat.Error{Kind: chat.NotFound}},
		"an answer lost":       {sim.Message{}, sim.Fault{API: hookPath, Lose: true}, chat.Error{Kind: chat.Unavailable, Maybe: true}},
		"too many in a minute": {sim.Message{}, hook(`{"errcode":130101,"errmsg":"send too fast"}`), chat.Error{Kind: chat.RateLimited, Code: "130101", RetryAfter: floodFor}},
		"the old limit":        {sim.Message{}, hook(`{"errcode":90018,"errmsg":"qps"}`), chat.Error{Kind: chat.RateLimited, Code: "90018", RetryAfter: time.Second}},
		"busy":                 {sim.Message{}, hook(`{"errcode":-1,"errmsg":"系统繁忙"}`), chat.Error{Kind: chat.Overloaded, Code: "-1", RetryAfter: time.Second}},
		"too long":             {sim.Message{}, hook(`{"errcode":460101,"errmsg":"message too long, exceed 20000 bytes"}`), chat.Error{Kind: chat.TooLarge, Code: "460101"}},
		"a login page":         {sim.Message{}, hook(`<!doctype html><html>login</html>`), chat.Error{Kind: chat.RateLimited, Code: "blocked", RetryAfter: blockedFor}},
		"somebody else":        {sim.Message{}, hook(`{"ok":true}`), chat.Error{Kind: chat.Unavailable, Maybe: true}},
		"webhook 503":          {sim.Message{}, sim.Fault{API: hookPath, Status: 503, Body: "x"}, chat.Error{Kind: chat.Unavailable, Code: "http_503", Maybe: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sim.Options{})
			c := s.replica(nil)
			tc.said.Text = "问"
			if tc.said.User == "" {
				tc.said.User = "zhang"
			}
			m := s.hear(c, tc.said)
			s.sim.Inject(tc.fault)
			err := s.reply(c, m, "好的。")
			e, ok := errors.AsType[*chat.Error](err)
			if !ok {
				t.Fatalf("%T %v", err, err)
			}
			got := chat.Error{Kind: e.Kind, Code: e.Code, RetryAfter: e.RetryAfter, Maybe: e.Maybe}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%v (-want +got)\n%s", err, d)
			}
		})
	}
}

// A token that the platform revoked is replaced once, and the message goes out.
func TestRevokedToken(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	say := func() error {
		return s.reply(c, s.hear(c, sim.Message{User: "zhang", Text: "问", NoWebhook: true}), "好的。")
	}
	s.must(say())
	s.must(s.sim.Revoke(testKey))
	s.must(say())
	if n := s.sim.Calls("/v1.0/oauth2/accessToken"); n != 2 {
		t.Errorf("asked for %d tokens, want 2", n)
	}
	s.setUp(sim.App{Key: testKey, Secret: "changed on the platform"})
	s.must(s.sim.SignWith(testKey, testSecret))
	err := say()
	if chat.KindOf(err) != chat.Unauthenticated || strings.Contains(fmt.Sprint(err), testSecret) {
		t.Errorf("%v", err)
	}
}

// The application's calls a second are shared by the replicas: the platform refuses none, and everything goes out.
func TestBudgetIsShared(t *testing.T) {
	s := newStage(t, sim.Options{})
	a, b := s.replica(nil), s.replica(nil)
	const people = 60
	done := make(chan error, people)
	for i := range people {
		c := a
		if i%2 == 1 {
			c = b
		}
		m := s.hear(a, sim.Message{User: fmt.Sprint("p", i), Text: "问", NoWebhook: true})
		go func() { done <- s.reply(c, m, "好的。") }()
	}
	for range people {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := s.sim.Limited(); n != 0 {
		t.Errorf("the platform refused %d calls", n)
	}
}

func TestLongAnswers(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	for name, text := range map[string]string{
		"words":   strings.Repeat("很长的回答。", 5000),
		"escapes": strings.Repeat("\x01\"\\\n", 9000) + "完",
		"code":    "```go\n" + strings.Repeat("fmt.Println(\"<&>\")\n", 3000) + "```",
	} {
		t.Run(name, func(t *testing.T) {
			for _, m := range []chat.Message{
				s.hear(c, sim.Message{User: "zhang", Text: "问", NoWebhook: true}), s.hear(c, sim.Message{User: "zhang", Group: group, Text: "问"}),
			} {
				parts, err := c.Parts(m, text, 1)
				s.must(err)
				for i, p := range parts {
					if len(p) > 15000 {
						t.Errorf("part %d has %d bytes", i, len(p))
					}
				}
				// The first and the last: the platform judges their size.
				s.must(c.Send(t.Context(), m, parts[0]))
				s.must(c.Send(t.Context(), m, parts[len(parts)-1]))
			}
		})
	}
}

func TestTitle(t *testing.T) {
	for text, want := range map[string]string{
		"## 本周的安排\n\n- 一":       "本周的安排",
		"\n\n**好的**，我来":         "好的，我来",
		strings.Repeat("长", 30): strings.Repeat("长", maxTitle) + "…",
		"```\n\n```":            "…",
		"a\tb\x00c":             "abc",
		"* * *\n下文":             "下文",
	} {
		if got := title(text); got != want {
			t.Errorf("title(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]bool{
		"好的。": true, "第一行\n第二行": true, "1. 一\n2. 二": false, "- 一": false, "a\n- b": false, "**x**": false, "`x`": false, "|a|b|": false, "> x": false,
		strings.Repeat("x", shortText+1): false,
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %v", text, got)
		}
	}
}

// A part that another release stored, or that is broken, is an error and no panic.
func TestStrangeParts(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	for _, p := range []string{"", "null", "{}", `{"kind":"card"}`, "[1]"} {
		if err := c.Send(t.Context(), m, chat.Part(p)); chat.KindOf(err) != chat.Internal {
			t.Errorf("%q: %v", p, err)
		}
	}
	m.Address = json.RawMessage(`7`)
	parts, err := c.Parts(m, "好", 1)
	s.must(err)
	if err := c.Send(t.Context(), m, parts[0]); chat.KindOf(err) != chat.NotFound {
		t.Errorf("without an address: %v", err)
	}
}

// No redirect is followed, and what a refusal echoes of the credentials is taken out.
func TestRedirects(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	s.sim.Inject(sim.Fault{API: hookPath, Times: -1, Redirect: s.origin + "/elsewhere"})
	s.sim.Inject(sim.Fault{API: personPath, Times: -1, Redirect: s.origin + "/elsewhere"})
	if err := s.reply(c, m, "好"); err == nil || chat.KindOf(err).Retryable() {
		t.Errorf("%v", err)
	}
	if s.sim.Calls("/elsewhere") != 0 {
		t.Error("a redirect was followed")
	}
}

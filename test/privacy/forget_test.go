package privacy

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
)

// forgottenWithin is the promise.
const forgottenWithin = 5 * time.Second

// TestForgetLeavesNothing: a person talks, in WeCom and on the page, and asks to be forgotten while the model answers. Then neither their words
// nor who they are can be found in Redis, in any encoding, but for what docs/operations.md names; of others all is there.
func TestForgetLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	const zhang, li = "zhang-canary", "li-other"
	_, err := s.company.Sim.Enter(ctx, s.company.App.Ref, zhang)
	s.must(err)
	s.await(ctx, zhang, 1)
	for i := range 3 {
		s.say(ctx, zhang, fmt.Sprint("金丝雀 canary-words ", i), i+2)
		s.say(ctx, li, fmt.Sprint("other-words ", i), i+1)
	}
	s.must(s.model.SetPace(ctx, llm.Pace{First: 3 * time.Minute}))
	s.post(ctx, zhang, "canary-words: a long answer")
	s.asked(ctx, 1)
	s.post(ctx, zhang, "canary-words: waiting")
	marks := traces(s.company.Tenant, zhang, "canary-words", "金丝雀")
	if found := s.find(ctx, marks, nil); len(found) < 5 {
		t.Fatalf("before, the person is found in %q: the test looks at the wrong place", found)
	}
	if keys := s.endless(ctx); len(keys) > 0 {
		t.Errorf("kept for ever while a turn runs: %q", keys)
	}

	began := time.Now()
	s.post(ctx, zhang, "忘记我")
	reply := s.await(ctx, zhang, 7)[6]
	if !strings.Contains(reply.Content, "已忘记你") || !strings.Contains(reply.Content, "对话 3 轮") || !strings.Contains(reply.Content, "1 天的用量") {
		t.Errorf("the reply: %s", reply.Content)
	}
	t.Logf("told after %s", time.Since(began).Round(time.Millisecond))
	var left []string
	for left = s.find(ctx, marks, named); len(left) > 0 && time.Since(began) < forgottenWithin; left = s.find(ctx, marks, named) {
		time.Sleep(50 * time.Millisecond)
	}
	if len(left) > 0 {
		t.Errorf("%s later, the person is still found in %q", time.Since(began).Round(time.Millisecond), left)
	}
	t.Logf("nothing is left after %s but what is named: %q", time.Since(began).Round(time.Millisecond), s.find(ctx, marks, nil))
	if found := s.find(ctx, traces(s.company.Tenant, li, "other-words"), nil); len(found) < 3 {
		t.Errorf("of the other person there is only %q", found)
	}
	// Told again: there is nothing. And whoever writes again is new.
	s.must(s.model.SetPace(ctx, llm.Pace{}))
	if again := s.say(ctx, zhang, "/forget", 8); !strings.Contains(again.Content, "对话 0 轮") || !strings.Contains(again.Content, "0 天的用量") {
		t.Errorf("again: %s", again.Content)
	}
	if st := s.say(ctx, zhang, "/status", 9); !strings.Contains(st.Content, "0 轮") {
		t.Errorf("status: %s", st.Content)
	}
	log, err := s.clientLog()
	s.must(err)
	if !strings.Contains(log, `"audit"`) || !strings.Contains(log, `"forget"`) || strings.Contains(log, zhang) || strings.Contains(log, "canary-words") {
		t.Errorf("the client's log must tell that somebody was forgotten, and neither who nor what:\n%s", log)
	}
	if keys := s.endless(ctx); len(keys) > 0 {
		t.Errorf("kept for ever in the end: %q", keys)
	}
}

// TestForgetOnThePage: the same on the web page, whose replies are kept for browsers to fetch.
func TestForgetOnThePage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	p := s.openPage(ctx)
	p.say("m1", "canary-words eins")
	p.part()
	p.say("m2", "canary-words zwei")
	p.part()
	if found := s.find(ctx, []string{"canary-words"}, nil); len(found) < 2 {
		t.Fatalf("before, the words are found in %q: the test looks at the wrong place", found)
	}
	began := time.Now()
	p.say("m3", "/forget")
	if got := p.part(); !strings.Contains(got, "对话 2 轮、页面上的回答 2 段") {
		t.Errorf("the reply: %s", got)
	}
	if left := s.find(ctx, []string{"canary-words"}, nil); len(left) > 0 {
		t.Errorf("%s later, the words are still found in %q", time.Since(began).Round(time.Millisecond), left)
	}
}

// named are the keys that operations.md names: they hold no text, and end by themselves.
func named(key, value string) bool {
	switch kind(key) {
	case "d", "1": // ids of messages and of the daily welcome: for a day
		return value == "1"
	case "r": // times of the last minute's messages
		return strings.Trim(value, "[]0123456789 ") == ""
	}
	return false
}

// traces are texts in the forms in which they could be stored, and the person's hash.
func traces(tenant, user string, words ...string) (out []string) {
	h := sha256.Sum256([]byte(tenant + "\x00" + user + "\x00"))
	out = append(out, hex.EncodeToString(h[:10]))
	for _, w := range append(words, user) {
		out = append(out, w, url.PathEscape(w), url.QueryEscape(w), hex.EncodeToString([]byte(w)), base64.StdEncoding.EncodeToString([]byte(w)),
			base64.RawURLEncoding.EncodeToString([]byte(w)), strings.Trim(fmt.Sprintf("%+q", w), `"`))
	}
	return out
}

// find lists the keys in whose name or value one of the marks is, but for those that may.
func (s *stage) find(ctx context.Context, marks []string, may func(key, value string) bool) (out []string) {
	s.Helper()
	for key, value := range s.stored(ctx) {
		for _, m := range marks {
			if (strings.Contains(key, m) || strings.Contains(value, m)) && (may == nil || !may(key, value)) {
				out = append(out, key)
				break
			}
		}
	}
	return out
}

// page is a browser on the company's web page.
type page struct {
	s      *stage
	ctx    context.Context
	base   string
	cookie string
	lines  *bufio.Scanner
}

func (s *stage) openPage(ctx context.Context) *page {
	s.Helper()
	p := &page{s: s, ctx: ctx, base: "http://" + s.client.Addr + "/chat/" + s.company.Tenant + "/web"}
	login := p.do(http.MethodPost, "/login", fmt.Sprintf(`{"token":%q}`, s.company.WebToken))
	login.Body.Close()
	p.cookie, _, _ = strings.Cut(login.Header.Get("Set-Cookie"), ";")
	events := p.do(http.MethodGet, "/events", "")
	s.Cleanup(func() { events.Body.Close() })
	p.lines = bufio.NewScanner(events.Body)
	return p
}

func (p *page) do(method, path, body string) *http.Response {
	p.s.Helper()
	req, err := http.NewRequestWithContext(p.ctx, method, p.base+path, strings.NewReader(body))
	p.s.must(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", p.cookie)
	resp, err := http.DefaultClient.Do(req)
	p.s.must(err)
	if resp.StatusCode >= 300 {
		p.s.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	return resp
}

func (p *page) say(id, text string) {
	p.s.Helper()
	p.do(http.MethodPost, "/messages", fmt.Sprintf(`{"id":%q,"text":%q}`, id, text)).Body.Close()
}

// part is the next finished part that the page is shown.
func (p *page) part() string {
	p.s.Helper()
	for is := false; p.lines.Scan(); {
		switch line := p.lines.Text(); {
		case line == "event: part":
			is = true
		case is && strings.HasPrefix(line, "data: "):
			return line
		}
	}
	p.s.Fatalf("the page's stream ended: %v", p.lines.Err())
	return ""
}

package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"parley/internal/sim/llm"
)

// talk is what people of a company do on one of its entries: questions, every command, a stop while the model answers, a welcome, and a page
// that shows live text.
func (s *stage) talk(ctx context.Context, c company, addr string) {
	s.Helper()
	user := c.name + "-zhang"
	n := 0
	for _, text := range []string{"你好 " + c.name, "/status", "/model", "/model chat", "/reset", "再问 " + c.name, "/help", "/status"} {
		n++
		s.say(ctx, c.app, user, text, n)
	}
	_, err := s.sim.Enter(ctx, c.second.Ref, c.name+"-wang")
	s.must(err)
	_, err = s.sim.Await(ctx, c.second.Ref, c.name+"-wang", 1)
	s.must(err)
	s.stop(ctx, c)
	s.page(ctx, c, "http://"+addr+"/chat/"+c.name+"/web")
}

// stop stops a turn while the model is at it.
func (s *stage) stop(ctx context.Context, c company) {
	s.Helper()
	was, err := s.model.Stats(ctx)
	s.must(err)
	s.must(s.model.SetPace(ctx, llm.Pace{First: time.Minute}))
	user := c.name + "-chen"
	_, err = s.sim.Say(ctx, c.app.Ref, user, "慢慢来 "+c.name)
	s.must(err)
	s.eventually(ctx, "the model is asked", func() string {
		now, err := s.model.Stats(ctx)
		if err == nil && now.Running == was.Running+1 {
			return ""
		}
		return fmt.Sprintf("%+v, %v", now, err)
	})
	_, err = s.sim.Say(ctx, c.app.Ref, user, "/stop")
	s.must(err)
	s.eventually(ctx, "the stop is told", func() string {
		shown := s.sim.Shown(c.app.Ref, user)
		for _, m := range shown {
			if strings.Contains(m.Content, "停止") {
				return ""
			}
		}
		return fmt.Sprintf("%+v", shown)
	})
	s.must(s.model.SetPace(ctx, llm.Pace{Chunks: 20, Between: 50 * time.Millisecond}))
}

// page asks on the web page and reads its stream until live text and the finished part came.
func (s *stage) page(ctx context.Context, c company, base string) {
	s.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	do := func(method, path, body, cookie string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
		s.must(err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cookie", cookie)
		resp, err := http.DefaultClient.Do(req)
		s.must(err)
		if resp.StatusCode >= 300 {
			body, _ := io.ReadAll(resp.Body)
			s.Fatalf("%s %s: %s %s", method, path, resp.Status, body)
		}
		return resp
	}
	login := do(http.MethodPost, "/login", fmt.Sprintf(`{"token":%q}`, c.webToken), "")
	login.Body.Close()
	cookie, _, _ := strings.Cut(login.Header.Get("Set-Cookie"), ";")
	events := do(http.MethodGet, "/events", "", cookie)
	defer events.Body.Close()
	do(http.MethodPost, "/messages", fmt.Sprintf(`{"id":"m-1","text":"网页问 %s"}`, c.name), cookie).Body.Close()
	live := false
	lines := bufio.NewScanner(events.Body)
	for lines.Scan() {
		live = live || lines.Text() == "event: live"
		if lines.Text() == "event: part" {
			if !live {
				s.Error("the page was shown no live text")
			}
			return
		}
	}
	s.Fatalf("the page's stream ended: %v", lines.Err())
}

package privacy

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
)

type deadLetter struct {
	ID, Tenant, Channel, Turn, Reason string
	Attempts                          int
}

func (s *stage) clientLog() (string, error) {
	b, err := os.ReadFile(s.client.Log)
	return string(b), err
}

func (s *stage) dead(ctx context.Context) (out []deadLetter) {
	s.Helper()
	text, err := s.parley(ctx, "dead", "--json")
	if err != nil {
		s.Fatalf("parley dead: %v\n%s", err, text)
	}
	s.must(json.Unmarshal([]byte(text), &out))
	if strings.Contains(text, "canary") || strings.Contains(text, "zhang") {
		s.Errorf("parley dead tells who or what:\n%s", text)
	}
	return out
}

// TestDeadLetters: messages that cost a process its life three times are given up; operators see them, have them answered after all, or drop
// them, and people who are forgotten take theirs with them.
func TestDeadLetters(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	people := []string{"zhang", "li", "wang"}
	s.must(s.model.SetPace(ctx, llm.Pace{First: 5 * time.Minute}))
	for _, p := range people {
		s.post(ctx, p, "canary of "+p)
	}
	for range 3 {
		s.asked(ctx, len(people))
		s.client.Kill()
		s.asked(ctx, 0)
		again, err := s.client.Restart(ctx)
		s.must(err)
		s.client = again
	}
	for _, p := range people {
		if got := s.await(ctx, p, 1)[0].Content; !strings.Contains(got, "没能得到回答") {
			t.Errorf("%s was told %s", p, got)
		}
	}
	s.must(s.model.SetPace(ctx, llm.Pace{}))
	letters := s.dead(ctx)
	if len(letters) != 3 {
		t.Fatalf("dead letters: %+v", letters)
	}
	for _, d := range letters {
		if d.Tenant != s.company.Tenant || d.Channel != "app" || d.Reason != "attempts" || d.Attempts != 4 || d.Turn == "" {
			t.Errorf("dead letter %+v", d)
		}
	}
	if out, err := s.parley(ctx, "status"); err != nil || !strings.Contains(out, "parley dead") {
		t.Errorf("status does not say how to see them: %v\n%s", err, out)
	}

	// One who is forgotten takes it with them.
	if got := s.say(ctx, "li", "/forget", 2).Content; !strings.Contains(got, "没能处理的消息 1 条") {
		t.Errorf("the reply: %s", got)
	}
	letters = s.dead(ctx)
	if len(letters) != 2 {
		t.Fatalf("dead letters: %+v", letters)
	}

	first, second := letters[0].ID, letters[1].ID
	out, err := s.parley(ctx, "retry", first, "--reason", "the model works again")
	if err != nil || !strings.Contains(out, "1 put back") || !strings.Contains(out, `"audit"`) || !strings.Contains(out, "the model works again") {
		t.Errorf("retry: %v\n%s", err, out)
	}
	answered := ""
	s.eventually(ctx, "the retried message is answered", func() string {
		for _, p := range []string{"zhang", "wang"} {
			for _, m := range s.company.Sim.Shown(s.company.App.Ref, p)[1:] {
				answered = p + ": " + m.Content
				return ""
			}
		}
		return "nobody was shown more"
	})
	t.Log(answered)
	if out, err := s.parley(ctx, "retry", first); err == nil || !strings.Contains(out, "not found") || !strings.Contains(out, first) {
		t.Errorf("the second retry: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"drop", "--all", "--older", "1h"}, {"drop", "--all", "--for", "no_channel"}, {"drop", "--all", "--tenant", "nobody"}} {
		if out, err := s.parley(ctx, args...); err != nil || !strings.Contains(out, "no dead letter fits") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	if out, err := s.parley(ctx, "drop", second, first); err == nil || !strings.Contains(out, "1 dropped: "+second) || !strings.Contains(out, "not found") {
		t.Errorf("drop of one that is, and one that is none any more: %v\n%s", err, out)
	}
	if left := s.dead(ctx); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	shown := 0
	for _, p := range []string{"zhang", "wang"} {
		shown += len(s.company.Sim.Shown(s.company.App.Ref, p)) - 1
	}
	if shown != 1 {
		t.Errorf("%d answers were shown, want the retried one's", shown)
	}
}

package feishu

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sim "parley/internal/sim/feishu"
	"parley/internal/sim/llm"
)

func count(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// TestReplicasAreKilled lets people write, alone and in a group, while each replica in turn is killed and started again.
func TestReplicasAreKilled(t *testing.T) {
	const (
		people, each = 8, 8
		group        = "oc_group"
	)
	for name, set := range map[string]setting{
		"callbacks": {mode: "callback"}, "callbacks, cards": {mode: "callback", card: true}, "stream, cards": {mode: "stream", card: true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			set.pace = llm.Pace{Chunks: 6, Between: 250 * time.Millisecond}
			s := newStage(ctx, t, set)
			where := func(p int) (user, in, chat string) {
				if user = fmt.Sprint("ou_p", p); p%4 == 3 {
					return user, group, group
				}
				return user, "", "oc_p2p_" + user
			}
			var wg sync.WaitGroup
			for p := range people {
				wg.Go(func() {
					for n := range each {
						user, in, _ := where(p)
						s.ask(user, in, n+1)
						time.Sleep(400 * time.Millisecond) // between two messages of a person
					}
				})
			}
			s.killEach(1200 * time.Millisecond)
			wg.Wait()
			s.eventually(90*time.Second, "everybody has every answer, and no card is still being written", func() bool {
				for p := range people {
					user, _, chat := where(p)
					if list, whole := s.answers(user, chat); !whole || len(list) < each {
						return false
					}
				}
				return true
			})
			for p := range people {
				user, _, chat := where(p)
				if list, _ := s.answers(user, chat); !slices.Equal(list, count(each)) {
					t.Errorf("%s was shown the answers to %v", user, list)
				}
			}
			cards, changes := 0, 0
			for _, chat := range s.sim.Chats() {
				for _, m := range s.sim.Shown(chat) {
					cards++
					changes += m.Versions
				}
			}
			calls, err := s.model.Ledger(ctx)
			s.must(err)
			if len(calls) <= people*each {
				t.Errorf("the model was asked %d times: no replica died in the middle of an answer", len(calls))
			}
			if n := s.metric("parley_ambiguous_sends_total"); n > 0 {
				t.Errorf("%v parts are doubtful; every one of Feishu's can be told from its repetition", n)
			}
			if set.card && changes < cards {
				t.Errorf("%d messages changed %d times: hardly any partial text was shown", cards, changes)
			}
			stats := s.sim.Stats()
			t.Logf("%d messages, %d deliveries, %d more after the acknowledgement; %d messages shown, %d repetitions swallowed; %d messages changed %d times; the model was asked %d times",
				stats.Posted, stats.Tries, stats.Again, stats.Shown, stats.Duplicates, cards, changes, len(calls))
		})
	}
}

// TestSecretsChange lets the application's keys change on the platform while people write: the document names both for a while, and nobody restarts
// anything.
func TestSecretsChange(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t, setting{mode: "callback", pace: llm.Pace{Chunks: 1}})
	s.ask("ou_zhang", "", 1)
	s.secret("KEY_NEW", "the-new-key")
	s.secret("TOKEN_NEW", "the-new-token")
	s.document("[file:KEY_NEW, file:KEY]", "[file:TOKEN_NEW, file:TOKEN]")
	old := s.app
	s.app.EncryptKey, s.app.VerificationToken = "the-new-key", "the-new-token"
	s.must(s.sim.AddApp(s.app))
	s.eventually(30*time.Second, "the new key verifies", func() bool { return s.sim.Verify(ctx, appID) == nil })
	s.ask("ou_zhang", "", 2)
	s.must(s.sim.AddApp(old)) // parts of the platform still have the old ones
	s.ask("ou_zhang", "", 3)
	s.must(s.sim.AddApp(s.app))
	s.document("file:KEY_NEW", "file:TOKEN_NEW")
	s.ask("ou_zhang", "", 4)
	s.eventually(30*time.Second, "all answers", func() bool {
		list, _ := s.answers("ou_zhang", "oc_p2p_ou_zhang")
		return slices.Equal(list, count(4))
	})
	s.must(s.sim.AddApp(old))
	s.eventually(30*time.Second, "the old key is refused", func() bool { return s.sim.Verify(ctx, appID) != nil })
}

// TestModeChanges: a tenant goes over from callbacks to connections, and back, while people write.
func TestModeChanges(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t, setting{mode: "callback", card: true, pace: llm.Pace{Chunks: 3, Between: 200 * time.Millisecond}})
	s.ask("ou_zhang", "", 1)
	s.mode = "stream"
	s.document("", "")
	s.eventually(30*time.Second, "every replica holds a connection", func() bool { return s.sim.Connections(appID) == len(s.clients) })
	s.app.Stream = true
	s.must(s.sim.AddApp(s.app))
	s.ask("ou_zhang", "", 2)
	s.mode = "callback"
	s.document("file:KEY", "file:TOKEN")
	s.eventually(30*time.Second, "no replica holds a connection", func() bool { return s.sim.Connections(appID) == 0 })
	s.app.Stream = false
	s.must(s.sim.AddApp(s.app))
	s.ask("ou_zhang", "", 3)
	s.eventually(30*time.Second, "all answers", func() bool {
		list, whole := s.answers("ou_zhang", "oc_p2p_ou_zhang")
		return whole && slices.Equal(list, count(3))
	})
}

// TestCheckSaysWhatIsMissing is what an administrator sees before people do.
func TestCheckSaysWhatIsMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := newStage(ctx, t, setting{mode: "callback", card: true, pace: llm.Pace{Chunks: 1}})
	check := func() string {
		out, _ := s.rig.Parley(ctx, nil, "check", "--live", filepath.Join(s.rig.Dir, "client-1.yaml"), filepath.Join(s.dir, "tenant.acme.yaml"))
		return out
	}
	if out := check(); !strings.Contains(out, "channel lark") || strings.Contains(out, "forbidden") {
		t.Errorf("with everything granted:\n%s", out)
	}
	s.app.Scopes = []string{"im:message:send_as_bot", "im:message.p2p_msg:readonly"}
	s.must(s.sim.AddApp(s.app))
	if out := check(); !strings.Contains(out, "cardkit:card:write") || !strings.Contains(out, "im:message.group_at_msg:readonly") || strings.Contains(out, "p2p_msg") {
		t.Errorf("with permissions missing:\n%s", out)
	}
	s.app.AppSecret = "changed"
	s.must(s.sim.AddApp(s.app))
	if out := check(); !strings.Contains(out, "10014") || strings.Contains(out, "secret-of-the-application") {
		t.Errorf("with a wrong secret:\n%s", out)
	}
	if chats := s.sim.Chats(); len(chats) > 0 {
		t.Errorf("somebody saw it: %v", chats)
	}
}

// TestPictures: a picture reaches the model, alone and with words.
func TestPictures(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := newStage(ctx, t, setting{mode: "stream", card: true, pace: llm.Pace{Chunks: 1}})
	pixel := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	if _, err := s.sim.Push(ctx, appID, sim.Message{User: "ou_zhang", Text: "这是什么？", Pictures: [][]byte{pixel, pixel}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sim.Await(ctx, "oc_p2p_ou_zhang", 1); err != nil {
		t.Fatal(err)
	}
	if n := s.sim.Stats().Calls["resource"]; n != 2 {
		t.Errorf("%d pictures were fetched", n)
	}
}

package conversation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// TestWhatWaitsIsAnsweredTogether where the tenant wants it, and each by itself where not.
func TestWhatWaitsIsAnsweredTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		merge bool
		want  []string
	}{
		"off": {false, []string{"re: one (0)", "re: two (1)", "re: three (2)", "re: four (3)"}},
		"on":  {true, []string{"re: one (0)", "re: two\nthree\nfour (1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Merge, w.llm.delay = tc.merge, 10*time.Second
				p := w.start()
				for i, text := range []string{"one", "two", "three", "four", "three"} {
					w.say(p, string(rune('1'+i%4)), text) // the last is a redelivery
					settle(time.Second)
				}
				settle(time.Minute)
				shown(t, w, tc.want...)
				if h := w.llm.calls[len(tc.want)-1].History; len(h) != len(tc.want)-1 {
					t.Errorf("history %+v", h)
				}
			})
		})
	}
}

// TestMergedIsNotLate: a message is not put into one that has waited long, or it would be sent away as late together with it.
func TestMergedIsNotLate(t *testing.T) {
	for name, tc := range map[string]struct {
		most time.Duration // that a message may wait
		gap  time.Duration // between the second and the third
		want []string
	}{
		"soon":                {5 * time.Minute, time.Minute, []string{"two\nthree"}},
		"late":                {5 * time.Minute, 3 * time.Minute, []string{"two", "three"}},
		"late where few wait": {time.Minute, 40 * time.Second, []string{"two", "three"}},
		"late where all may":  {0, 3 * time.Minute, []string{"two", "three"}},
		"soon where few wait": {time.Minute, 20 * time.Second, []string{"two\nthree"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Merge, w.tenant.Limits.MaxWait = true, tc.most
				s := conversation.New(conversation.Options{Store: w.store, Directory: w, Owner: "o"})
				p := &process{Service: s}
				w.say(p, "1", "one")
				w.say(p, "2", "two")
				time.Sleep(tc.gap)
				w.say(p, "3", "three")
				opt := conversation.ClaimOptions{Lease: time.Minute}
				key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
				claims, err := w.store.Claim(t.Context(), []conversation.Shard{conversation.ShardOf(key)}, "o", 1, opt)
				if err != nil || len(claims) != 1 {
					t.Fatal(claims, err)
				}
				var got []string
				for c := &claims[0]; c != nil; {
					next, err := w.store.Commit(t.Context(), *c, conversation.Outcome{Claim: opt})
					if err != nil {
						t.Fatal(err)
					}
					if c = next.Claim; c != nil {
						got = append(got, c.Message.Text)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestWhatIsNeverMerged into the message before it, "two" by zhang.
func TestWhatIsNeverMerged(t *testing.T) {
	picture := chat.Image{Data: []byte("GIF89a;")}
	plain := chat.Message{Kind: chat.KindText, Text: "three", User: "zhang"}
	change := func(f func(*chat.Message)) chat.Message { m := plain; f(&m); return m }
	for name, tc := range map[string]struct {
		last, m chat.Message
		merged  string // empty: it is not
	}{
		"a plain one":                   {plain, plain, "three\nthree"},
		"with a picture":                {plain, change(func(m *chat.Message) { m.Text, m.Images = "", []chat.Image{picture} }), "three"},
		"another person's":              {plain, change(func(m *chat.Message) { m.User = "li" }), ""},
		"a command":                     {plain, change(func(m *chat.Message) { m.Text = "/reset" }), ""},
		"after a command":               {change(func(m *chat.Message) { m.Text = "/status" }), plain, ""},
		"after a stop":                  {change(func(m *chat.Message) { m.Text = "/stop" }), plain, ""},
		"one with a place of its own":   {plain, change(func(m *chat.Message) { m.Alone = true }), ""},
		"after one with such a place":   {change(func(m *chat.Message) { m.Alone = true }), plain, ""},
		"one that quotes":               {plain, change(func(m *chat.Message) { m.Quote = "q" }), ""},
		"after one that quotes":         {change(func(m *chat.Message) { m.Quote = "q" }), plain, ""},
		"blank":                         {plain, change(func(m *chat.Message) { m.Text = " " }), ""},
		"another kind":                  {plain, change(func(m *chat.Message) { m.Kind = chat.KindUnsupported }), ""},
		"after another kind":            {change(func(m *chat.Message) { m.Kind = chat.KindUnsupported }), plain, ""},
		"as long as a message may be":   {plain, change(func(m *chat.Message) { m.Text = strings.Repeat("长", 94) }), "three\n" + strings.Repeat("长", 94)},
		"longer than a message may be":  {plain, change(func(m *chat.Message) { m.Text = strings.Repeat("长", 95) }), ""},
		"more pictures than are looked": {change(func(m *chat.Message) { m.Images = []chat.Image{picture, picture} }), change(func(m *chat.Message) { m.Images = []chat.Image{picture, picture, picture} }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.Merge = true
			s := conversation.New(conversation.Options{Store: w.store, Directory: w, Owner: "o"})
			key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "group"}
			head := plain
			for i, m := range []chat.Message{head, tc.last, tc.m} {
				m.ID, m.Conversation, m.Address = string(rune('1'+i)), key, json.RawMessage(`"reply to `+string(rune('1'+i))+`"`)
				if err := s.Accept(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			claims, err := w.store.Claim(t.Context(), []conversation.Shard{conversation.ShardOf(key)}, "o", 9, conversation.ClaimOptions{Lease: time.Minute})
			if err != nil || len(claims) != 1 {
				t.Fatal(claims, err)
			}
			next, err := w.store.Commit(t.Context(), claims[0], conversation.Outcome{Claim: conversation.ClaimOptions{Lease: time.Minute}})
			if err != nil || next.Claim == nil {
				t.Fatal(next, err)
			}
			got := next.Claim
			if tc.merged == "" {
				if got.Waits != 1 || got.Message.ID != "2" {
					t.Errorf("claimed %+v, %d wait", got.Message, got.Waits)
				}
				return
			}
			if got.Waits != 0 || got.Message.ID != "3" || string(got.Message.Address) != `"reply to 3"` {
				t.Errorf("claimed %+v, %d wait", got.Message, got.Waits)
			}
			if diff := cmp.Diff(tc.merged, got.Message.Text); diff != "" {
				t.Error(diff)
			}
		})
	}
}

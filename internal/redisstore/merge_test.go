package redisstore

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// TestTheMailboxChangesMeanwhile: between the reading of the last message and the step that would replace it, others do theirs. What was claimed, or is
// not the last any more, is never replaced.
func TestTheMailboxChangesMeanwhile(t *testing.T) {
	opt := conversation.ClaimOptions{Lease: time.Minute}
	accept := func(t *testing.T, s *Store, id string, merge func(conversation.Waiting) (chat.Message, bool)) conversation.Accepted {
		t.Helper()
		m := say(id, "zhang")
		m.Text = id
		got, err := s.Accept(t.Context(), m, conversation.AcceptOptions{DedupeFor: time.Hour, Merge: merge})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	shard := []conversation.Shard{conversation.ShardOf(say("", "zhang").Conversation)}
	finish := func(t *testing.T, s *Store, c conversation.Claim) *conversation.Claim {
		t.Helper()
		next, err := s.Commit(t.Context(), c, conversation.Outcome{Claim: opt})
		if err != nil {
			t.Fatal(err)
		}
		return next.Claim
	}
	for name, tc := range map[string]struct {
		meanwhile func(*testing.T, *Store, conversation.Claim) *conversation.Claim
		merged    bool
		want      []string // texts from then on
	}{
		"nothing":             {func(_ *testing.T, _ *Store, c conversation.Claim) *conversation.Claim { return &c }, true, []string{"1", "2+3"}},
		"the last is claimed": {finish, false, []string{"2", "3"}},
		"the last is done with": {func(t *testing.T, s *Store, c conversation.Claim) *conversation.Claim {
			return finish(t, s, *finish(t, s, c))
		}, false, []string{"3"}},
		"another comes": {func(t *testing.T, s *Store, c conversation.Claim) *conversation.Claim {
			accept(t, s, "4", nil)
			return &c
		}, false, []string{"1", "2", "4", "3"}},
		"another is put into the last": {func(t *testing.T, s *Store, c conversation.Claim) *conversation.Claim {
			accept(t, s, "4", func(last conversation.Waiting) (chat.Message, bool) { last.Text += "+4"; return last.Message, true })
			return &c
		}, false, []string{"1", "2+4", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := miniHarness(t).Store.(*Store)
			accept(t, s, "1", nil)
			accept(t, s, "2", nil)
			claims, err := s.Claim(t.Context(), shard, "a", 1, opt)
			if err != nil || len(claims) != 1 {
				t.Fatal(claims, err)
			}
			next := &claims[0]
			got := accept(t, s, "3", func(last conversation.Waiting) (chat.Message, bool) {
				next = tc.meanwhile(t, s, claims[0])
				last.Text += "+3"
				return last.Message, true
			})
			if got.Merged != tc.merged {
				t.Errorf("%+v, want merged: %v", got, tc.merged)
			}
			if next == nil { // what came is to be claimed anew
				if claims, err = s.Claim(t.Context(), shard, "a", 1, opt); err != nil || len(claims) != 1 {
					t.Fatal(claims, err)
				}
				next = &claims[0]
			}
			var texts []string
			for ; next != nil; next = finish(t, s, *next) {
				texts = append(texts, next.Message.Text)
			}
			if diff := cmp.Diff(tc.want, texts); diff != "" {
				t.Errorf("texts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMergingTakesNoLonger: looking and storing have one time together, for a platform waits for the answer.
func TestMergingTakesNoLonger(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	opt := conversation.AcceptOptions{DedupeFor: time.Hour}
	for _, id := range []string{"1", "2"} {
		if _, err := s.Accept(t.Context(), say(id, "zhang"), opt); err != nil {
			t.Fatal(err)
		}
	}
	opt.Merge = func(last conversation.Waiting) (chat.Message, bool) {
		time.Sleep(s.timeout + time.Millisecond)
		return last.Message, true
	}
	s.timeout = 300 * time.Millisecond
	if _, err := s.Accept(t.Context(), say("3", "zhang"), opt); chat.KindOf(err) != chat.Timeout {
		t.Errorf("got %v after the time of one call", err)
	}
}

package redisstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/conversation"
)

func TestAdmit(t *testing.T) {
	old, additive, breaking := formats{1, 1, 1}, formats{2, 1, 1}, formats{2, 2, 2}
	for _, c := range []struct {
		name   string
		found  string // in Redis; empty: nothing
		mine   formats
		leaves string
		want   string // in the error; empty: none
	}{
		{"an empty Redis", "", old, "1 1", ""},
		{"its own", "1 1", old, "1 1", ""},
		{"of a later release that it can read", "2 1", old, "2 1", ""},
		{"of a later release that it cannot read", "3 2", old, "3 2", "format 3, which takes a release of format 2 or later to read; this one is of format 1: start the newer"},
		{"an upgrade that older releases can read", "1 1", additive, "2 1", ""},
		{"an upgrade that they cannot read", "1 1", formats{2, 1, 2}, "2 2", ""},
		{"too old to be read", "1 1", breaking, "1 1", "format 1; this release is of format 2 and reads 2 and later: start a release between"},
		{"something else", "hello", old, "hello", `is "hello", which this program does not understand: start the release that wrote it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			mr := miniredis.RunT(t)
			if c.found != "" {
				_ = mr.Set(formatKey, c.found)
			}
			s := open(t, Options{Addrs: []string{mr.Addr()}})
			s.formats = c.mine
			readable := s.Readable(t.Context())
			if now, _ := mr.Get(formatKey); now != c.found {
				t.Errorf("who only reads left %q", now)
			}
			for range 2 {
				err := s.Admit(t.Context())
				_, refused := errors.AsType[*FormatError](err)
				if refused != (c.want != "") || refused && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if (readable == nil) != (err == nil) {
					t.Errorf("who only reads is told %v", readable)
				}
			}
			if now, _ := mr.Get(formatKey); now != c.leaves {
				t.Errorf("left %q, want %q", now, c.leaves)
			}
			if ttl := mr.TTL(formatKey); ttl != 0 {
				t.Errorf("it ends after %v", ttl)
			}
		})
	}
}

func TestAdmitTellsThatRedisIsAway(t *testing.T) {
	mr := miniredis.RunT(t)
	s := open(t, Options{Addrs: []string{mr.Addr()}, Timeout: time.Second})
	mr.Close()
	err := s.Admit(t.Context())
	if _, refused := errors.AsType[*FormatError](err); err == nil || refused {
		t.Errorf("%v, want an error that is not final", err)
	}
}

// A full Redis that no release with the key has seen yet must not keep the first one out.
func TestAdmitToAFullRedis(t *testing.T) {
	s := open(t, Options{Addrs: []string{startRedis(t, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction")}})
	if err := s.Admit(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a later release left is left to it: never lost, not asked for over and over, and in the way of nobody.
func TestLaterEntriesAreLeftAlone(t *testing.T) {
	h := realHarness(t, Options{Addrs: []string{startRedis(t)}})
	s, ctx := h.Store.(*Store), t.Context()
	sh := conversation.ShardOf(say("m", "zhang").Conversation)
	p, c := prefix(sh), "app:zhang"
	opt := conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 10}
	const headV2 = "2 7 5 something new\n{\"v\":2}"
	for name, plant := range map[string][]any{
		"a mailbox entry":     {"lset", p + "m:" + c, 0, headV2},
		"a message":           {"lset", p + "m:" + c, 0, "1 7 5 - -\n{\"v\":2}"},
		"damage":              {"lset", p + "m:" + c, 0, "what is this"},
		"a history entry":     {"rpush", p + "h:" + c, "2 1 1 new\n{}"},
		"a turn in a history": {"rpush", p + "h:" + c, "1 1 1\n{\"v\":2}"},
		"a state":             {"set", p + "s:" + c, `{"v":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.rdb.FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Accept(ctx, say("m1", "zhang"), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
				t.Fatal(err)
			}
			if err := s.rdb.Do(ctx, plant...).Err(); err != nil {
				t.Fatal(err)
			}
			before := dump(t, ctx, s, p, c)
			claim := func(owner string) []conversation.Claim {
				t.Helper()
				cs, err := s.Claim(ctx, []conversation.Shard{sh}, owner, 10, opt)
				strange, _ := errors.AsType[*conversation.Unreadable](err)
				if err != nil && (strange == nil || len(strange.Held) != 1 || strange.Held[0].Handle != c) {
					t.Fatal(err)
				}
				if len(cs) > 0 || (strange == nil) != (err == nil) {
					t.Fatalf("claimed %+v, %v", cs, err)
				}
				if strange != nil {
					return make([]conversation.Claim, 1)
				}
				return nil
			}
			for round := range 4 { // more often than a message may be tried
				if len(claim("a")) != 1 {
					t.Fatalf("round %d: nobody said that something cannot be read", round)
				}
				if owned, err := s.Owned(ctx, sh, "a"); err != nil || len(owned) > 0 {
					t.Fatalf("%v still owned, %v", owned, err)
				}
				if len(claim("a"))+len(claim("b")) > 0 {
					t.Fatal("it is claimed again at once")
				}
				// A message behind it is accepted, and wakes nobody before the time.
				if _, err := s.Accept(ctx, say("n"+string(rune('0'+round)), "zhang"), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Reap(ctx, []conversation.Shard{sh}); err != nil {
					t.Fatal(err)
				}
				if len(claim("a")) > 0 {
					t.Fatal("a new message has it claimed again")
				}
				h.Advance(leaveFor + time.Second)
			}
			after := dump(t, ctx, s, p, c)
			if !strings.HasPrefix(after, before) {
				t.Errorf("left %q, found %q", after, before)
			}
			if v := s.rdb.HGet(ctx, p+"c:"+c, "att").Val(); v != "0" {
				t.Errorf("%s attempts were counted", v)
			}
		})
	}
}

// dump is a history, a state and a mailbox, as they are.
func dump(t *testing.T, ctx context.Context, s *Store, p, c string) string {
	t.Helper()
	var all []string
	all = append(all, s.rdb.LRange(ctx, p+"h:"+c, 0, -1).Val()...)
	all = append(all, s.rdb.Get(ctx, p+"s:"+c).Val())
	return strings.Join(append(all, s.rdb.LRange(ctx, p+"m:"+c, 0, -1).Val()...), "\n")
}

// The message after one that was just answered is of a later release: what was done stays done.
func TestLaterEntryBehindTheOneAnswered(t *testing.T) {
	mr := miniredis.RunT(t)
	s, ctx := open(t, Options{Addrs: []string{mr.Addr()}}), t.Context()
	opt := conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 10}
	for _, id := range []string{"m1", "m2"} {
		if _, err := s.Accept(ctx, say(id, "zhang"), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	sh := conversation.ShardOf(say("m1", "zhang").Conversation)
	if err := s.rdb.LSet(ctx, prefix(sh)+"m:app:zhang", 1, "2 2 2 new\n{}").Err(); err != nil {
		t.Fatal(err)
	}
	cs, err := s.Claim(ctx, []conversation.Shard{sh}, "a", 10, opt)
	if err != nil || len(cs) != 1 {
		t.Fatal(cs, err)
	}
	for range 2 { // also if the answer of the first was lost
		next, err := s.Commit(ctx, cs[0], conversation.Outcome{Keep: conversation.Keep{Turns: 5, TTL: time.Hour}, Claim: opt})
		if err != nil || next.Claim != nil {
			t.Fatalf("%+v, %v", next, err)
		}
	}
	if n := s.rdb.LLen(ctx, prefix(sh)+"m:app:zhang").Val(); n != 1 {
		t.Errorf("%d messages wait, want the later one", n)
	}
	if owned, err := s.Owned(ctx, sh, "a"); err != nil || len(owned) > 0 {
		t.Errorf("%v still owned, %v", owned, err)
	}
}

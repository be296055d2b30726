package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// The benchmarks run one step each, and whole turns, on a real Redis: without persistence, and with every answer fsynced first. Each turn has
// a history of 20 turns of about 400 bytes.
func benchmark(b *testing.B, run func(b *testing.B, s *Store)) {
	for _, mode := range []struct {
		name string
		args []string
	}{{"memory", nil}, {"fsync", []string{"--appendonly", "yes", "--appendfsync", "always"}}} {
		b.Run(mode.name, func(b *testing.B) {
			s := open(b, Options{Addrs: []string{startRedis(b, mode.args...)}, PoolSize: 128})
			b.ReportAllocs()
			run(b, s)
		})
	}
}

var (
	benchClaim = conversation.ClaimOptions{Lease: time.Hour, HistoryTurns: 20, Pace: chat.Pace{Burst: 12, Every: time.Millisecond}}
	benchText  = strings.Repeat("x", 400)
)

func benchOutcome() conversation.Outcome {
	return conversation.Outcome{
		Turn:  &chat.Turn{Question: benchText[:80], Answer: benchText[80:], QuestionTokens: 20, AnswerTokens: 80, At: time.Now()},
		Parts: []chat.Part{chat.Part(benchText)},
		Keep:  conversation.Keep{Turns: 20, Bytes: 1 << 20, TTL: time.Hour}, Claim: benchClaim,
	}
}

var benchSeq atomic.Int64

// benchAccept puts a message of a person into the mailbox; people come back, so that histories fill.
func benchAccept(b testing.TB, s *Store, people int64) chat.ConversationKey {
	n := benchSeq.Add(1)
	key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("user-", n%people)}
	m := chat.Message{ID: fmt.Sprint("m", n), Conversation: key, User: key.ID, Kind: chat.KindText, Text: benchText[:80], SentAt: time.Now()}
	opt := conversation.AcceptOptions{DedupeFor: 24 * time.Hour, Waiting: 1 << 30, UserPerMinute: 1000}
	if _, err := s.Accept(context.Background(), m, opt); err != nil {
		b.Error(err)
	}
	return key
}

// BenchmarkAccept is the bare accept step, from so many callers at once: ns/op is the inverse of the rate.
func BenchmarkAccept(b *testing.B) {
	benchmark(b, func(b *testing.B, s *Store) {
		for _, callers := range []int{1, 32, 256} {
			b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
				b.ReportAllocs()
				before := costOf(b, s)
				many(callers, b.N, func(int) { benchAccept(b, s, 100_000) })
				before.report(b, costOf(b, s))
			})
		}
	})
}

// BenchmarkCommitSpent is what counting a turn's tokens adds to its commit: commits with and without follow each other, on one connection.
func BenchmarkCommitSpent(b *testing.B) { benchmarkSpent(b, RecordOptions{}) }

// BenchmarkCommitRecords is the same where a record of the call is kept as well.
func BenchmarkCommitRecords(b *testing.B) { benchmarkSpent(b, RecordOptions{Keep: 24 * time.Hour}) }

func benchmarkSpent(b *testing.B, records RecordOptions) {
	benchmark(b, func(b *testing.B, s *Store) {
		ctx := context.Background()
		s.KeepRecords(records)
		var took [2]time.Duration
		for n := 0; b.Loop(); n++ {
			for i := range took {
				with := (i + n) % 2 // neither is always the first
				b.StopTimer()
				key := benchAccept(b, s, 50)
				cs, err := s.Claim(ctx, []conversation.Shard{conversation.ShardOf(key)}, "a", 1, benchClaim)
				if err != nil || len(cs) != 1 {
					b.Fatal(cs, err)
				}
				o := benchOutcome()
				if with == 1 {
					o.User = "0123456789abcdef0123"
					o.Spent = []chat.Spend{{Provider: "openai", Model: "gpt-4o-mini", Usage: chat.Usage{Input: 900, Output: 200},
						For: chat.Errand{Channel: "app", Turn: "0123456789abcdef0123", Attempt: 1, At: time.Now()}}}
				}
				b.StartTimer()
				began := time.Now()
				if _, err := s.Commit(ctx, cs[0], o); err != nil {
					b.Fatal(err)
				}
				took[with] += time.Since(began)
				b.StopTimer()
				if _, err := s.Delivered(ctx, cs[0], 0, benchClaim); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		}
		b.ReportMetric(float64(took[0].Microseconds())/float64(b.N), "without-µs")
		b.ReportMetric(float64(took[1].Microseconds())/float64(b.N), "with-µs")
		b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
	})
}

// BenchmarkIdle is what a process asks of a tenant for whom nothing is to do: to look for work (twice a second), and to look for dead owners (once).
func BenchmarkIdle(b *testing.B) {
	benchmark(b, func(b *testing.B, s *Store) {
		ctx := context.Background()
		before := costOf(b, s)
		for b.Loop() {
			for range 2 {
				if _, err := s.Look(ctx, allShards("acme")); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := s.Reap(ctx, allShards("acme")); err != nil {
				b.Fatal(err)
			}
		}
		before.report(b, costOf(b, s))
	})
}

// BenchmarkForget is what one /forget costs a shard with so many people's usage on each of 41 days: nothing else happens there meanwhile.
func BenchmarkForget(b *testing.B) {
	for _, people := range []int{100, 6000} {
		b.Run(fmt.Sprint(people, " people a day"), func(b *testing.B) {
			s, ctx := open(b, Options{Addrs: []string{startRedis(b)}}), b.Context()
			m := say("m", "zhang")
			sh := conversation.ShardOf(m.Conversation)
			today := int(conversation.DayOf(time.Now()))
			for day := today - 40; day <= today; day++ {
				fields := make([]any, 0, 2*people)
				for i := range people {
					fields = append(fields, fmt.Sprintf("00:%020x/openai/gpt-4o-mini", i), "3 1000 0 500 0")
				}
				if err := s.rdb.HSet(ctx, fmt.Sprint(prefix(sh), "u:", day), fields...).Err(); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
				b.Fatal(err)
			}
			cs, err := s.Claim(ctx, []conversation.Shard{sh}, "a", 1, conversation.ClaimOptions{Lease: time.Hour})
			if err != nil || len(cs) != 1 {
				b.Fatal(cs, err)
			}
			for b.Loop() {
				if _, err := s.Forget(ctx, cs[0], fmt.Sprintf("%020x", 1)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

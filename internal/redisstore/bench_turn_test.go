package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// turnPeople have 20 turns of history each, with answers of 600 Chinese characters: what a claim returns of them is 40 kB.
const turnPeople = 400

var (
	turnQuestion = strings.Repeat("问", 40)
	turnAnswer   = strings.Repeat("答案，", 200)
)

func turnOutcome() conversation.Outcome {
	o := benchOutcome()
	o.Turn = &chat.Turn{Question: turnQuestion, Answer: turnAnswer, QuestionTokens: 40, AnswerTokens: 600, At: time.Now()}
	o.Parts = []chat.Part{chat.Part(`{"touser":"zhang","msgtype":"text","text":{"content":"` + turnAnswer + `"}}`)}
	o.User, o.Spent = "0123456789abcdef0123", []chat.Spend{{Provider: "openai", Model: "gpt-4o-mini", Usage: chat.Usage{Input: 900, Output: 200}}}
	return o
}

// BenchmarkTurn runs whole turns (accept, claim, commit, delivered) of people with a past, so many at once, and says what they cost at Redis
// and in this process, what they are there (commands, those of scripts included), and the bytes that they write to the append-only file.
func BenchmarkTurn(b *testing.B) {
	for _, mode := range []struct {
		name string
		args []string
	}{
		{"memory", nil},
		{"everysec", []string{"--appendonly", "yes", "--appendfsync", "everysec"}},
		{"always", []string{"--appendonly", "yes", "--appendfsync", "always"}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			addr := startRedis(b, append(mode.args, "--auto-aof-rewrite-percentage", "0")...)
			s := open(b, Options{Addrs: []string{addr}})
			grow(b, s)
			for _, callers := range []int{1, 32, 256} {
				b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
					b.ReportAllocs()
					before := costOf(b, s)
					many(callers, b.N, func(int) { oneTurn(b, s, turnPeople) })
					before.report(b, costOf(b, s))
				})
			}
		})
	}
}

// grow gives everybody a past.
func grow(b *testing.B, s *Store) {
	many(64, 20*turnPeople, func(int) { oneTurn(b, s, turnPeople) })
}

// many calls f for 0 to n-1, so many at once.
func many(callers, n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				f(i - 1)
			}
		})
	}
	wg.Wait()
}

// oneTurn is one of so many people's.
func oneTurn(b testing.TB, s *Store, people int64) {
	ctx := context.Background()
	key := benchAccept(b, s, people)
	cs, err := s.Claim(ctx, []conversation.Shard{conversation.ShardOf(key)}, "a", 4, benchClaim)
	if err != nil {
		b.Error(err)
	}
	for _, c := range cs {
		for next := &c; next != nil; {
			if _, err := s.Commit(ctx, *next, turnOutcome()); err != nil {
				b.Error(err)
			}
			n, err := s.Delivered(ctx, *next, 0, benchClaim)
			if err != nil {
				b.Error(err)
			}
			next = n.Claim
		}
	}
}

// cost is what Redis and this process have spent until now.
type cost struct {
	redis, client time.Duration
	commands, aof int64
}

func costOf(b testing.TB, s *Store) (c cost) {
	for _, section := range []string{"cpu", "stats", "persistence"} {
		text, err := s.rdb.Info(context.Background(), section).Result()
		if err != nil {
			b.Fatal(err)
		}
		i := parseInfo(text)
		for _, f := range []string{"used_cpu_user", "used_cpu_sys"} {
			d, _ := time.ParseDuration(i[f] + "s")
			c.redis += d
		}
		c.commands += number(i["total_commands_processed"])
		c.aof += number(i["aof_current_size"])
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	c.client = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return c
}

func (c cost) report(b *testing.B, after cost) {
	per := func(n float64, unit string) { b.ReportMetric(n/float64(b.N), unit) }
	per(float64((after.redis-c.redis).Nanoseconds())/1e3, "redis-µs/op")
	per(float64((after.client-c.client).Nanoseconds())/1e3, "client-µs/op")
	per(float64(after.commands-c.commands), "commands/op")
	per(float64(after.aof-c.aof), "aof-B/op")
}

// BenchmarkSteps runs the steps of many turns one kind after the other, and says what each costs at Redis and here, with so many callers.
func BenchmarkSteps(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s := open(b, Options{Addrs: []string{startRedis(b)}})
			grow(b, s)
			ctx := context.Background()
			var keys [turnPeople]chat.ConversationKey
			var claims [turnPeople]conversation.Claim
			steps := []struct {
				name string
				run  func(i int) error
			}{
				{"accept", func(i int) error { keys[i] = benchAccept(b, s, turnPeople); return nil }},
				{"claim", func(i int) error {
					cs, err := s.Claim(ctx, []conversation.Shard{conversation.ShardOf(keys[i])}, "a", 1, benchClaim)
					if err == nil && len(cs) != 1 {
						err = fmt.Errorf("%d claims", len(cs))
					}
					if err == nil {
						claims[i] = cs[0]
					}
					return err
				}},
				{"commit", func(i int) error { _, err := s.Commit(ctx, claims[i], turnOutcome()); return err }},
				{"delivered", func(i int) error { _, err := s.Delivered(ctx, claims[i], 0, benchClaim); return err }},
			}
			total := make([]cost, len(steps))
			rounds := 0
			for b.Loop() {
				rounds++
				for n, step := range steps {
					before := costOf(b, s)
					many(callers, turnPeople, func(i int) {
						if err := step.run(i); err != nil {
							b.Error(err)
						}
					})
					after := costOf(b, s)
					total[n].redis += after.redis - before.redis
					total[n].client += after.client - before.client
				}
			}
			for n, step := range steps {
				b.ReportMetric(float64(total[n].redis.Nanoseconds())/1e3/float64(rounds*turnPeople), step.name+"-redis-µs")
				b.ReportMetric(float64(total[n].client.Nanoseconds())/1e3/float64(rounds*turnPeople), step.name+"-client-µs")
			}
		})
	}
}

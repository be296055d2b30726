package redisstore

import (
	"context"
	"strings"
	"testing"

	"parley/internal/conversation"
)

// What a turn may ask of Redis and write there; docs/performance.md says it. Each round trip costs at most one fsync, shared with all that arrive
// meanwhile.
const (
	turnScripts = 4    // accept, claim, commit, delivered
	turnReads   = 1    // its history
	turnCalls   = 76   // commands, those of scripts included
	turnBytes   = 8000 // of the append-only file, for an answer of 600 characters, which is there twice
)

// A turn of somebody with 20 turns behind them keeps within its budget.
func TestWhatATurnCostsRedis(t *testing.T) {
	s := open(t, Options{Addrs: []string{startRedis(t, "--appendonly", "yes", "--appendfsync", "always")}})
	ctx := context.Background()
	for range 21 {
		oneTurn(t, s, 1)
	}
	if err := s.rdb.ConfigResetStat(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	const turns = 50
	before := costOf(t, s)
	for range turns {
		oneTurn(t, s, 1)
	}
	spent := costOf(t, s)
	stats, err := s.rdb.Info(ctx, "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for line := range strings.Lines(stats) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":"); ok && name != "info" {
			calls += calledIn(stats, name)
		}
	}
	if got := calledIn(stats, "evalsha"); got != turnScripts*turns {
		t.Errorf("%d scripts in %d turns, want %d", got, turns, turnScripts*turns)
	}
	if got := calledIn(stats, "lrange"); got != turnReads*turns {
		t.Errorf("%d histories read in %d turns, want %d", got, turns, turnReads*turns)
	}
	// The tenant's other shards are looked at now and then: 16 commands in each waitingAge.
	if got := calls - calledIn(stats, "hget")/conversation.Shards*conversation.Shards; got/turns > turnCalls {
		t.Errorf("%d commands a turn, want at most %d:\n%s", got/turns, turnCalls, stats)
	}
	if got := (spent.aof - before.aof) / turns; got > turnBytes {
		t.Errorf("%d bytes of AOF a turn, want at most %d", got, turnBytes)
	}
	t.Logf("%d commands and %d bytes a turn", calls/turns, (spent.aof-before.aof)/turns)
}

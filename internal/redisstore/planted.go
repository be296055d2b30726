//go:build planted

package redisstore

import (
	"context"
	"os"
	"strings"
	"time"

	"parley/internal/conversation"
)

// This file exists in no normal build. It plants the fault that PARLEY_PLANT names, so that tests can show that they would find it.

// planted takes a check out of a script.
func planted(source string) string {
	line, with := "", ""
	switch os.Getenv("PARLEY_PLANT") {
	case "fence": // whoever calls is the owner
		line, with = "return v[1] == owner and v[2] == fence", "return true"
	case "dedupe": // every delivery is a message of its own
		line = "if redis.call('EXISTS', B .. ARGV[4]) == 1 then return { 1 } end"
	default:
		return source
	}
	accept, err := luaFiles.ReadFile("lua/accept.lua")
	if err != nil || !strings.Contains(commonLua+string(accept), line) {
		panic("PARLEY_PLANT: the line to be changed is no more")
	}
	return strings.Replace(source, line, with, 1)
}

// apart writes the history of a commit in a step of its own, before the parts.
func (s *Store) apart(ctx context.Context, c conversation.Claim, args []any) {
	if os.Getenv("PARLEY_PLANT") != "commit" {
		return
	}
	const middle = "if tonumber(ARGV[9]) == 0 then return finish(conv, owner, fence) end"
	if !strings.Contains(s.scripts.commit.source, middle) {
		panic("PARLEY_PLANT: the line to be changed is no more")
	}
	first := strings.Replace(s.scripts.commit.source, middle, "do return { GOES_ON } end", 1)
	_ = s.rdb.Eval(ctx, first, []string{prefix(c.Shard)}, args...).Err()
	time.Sleep(50 * time.Millisecond)
	args[3], args[4] = []byte{}, 0 // the turn, and its size: they are in the history
}

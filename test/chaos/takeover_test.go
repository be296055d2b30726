package main

import (
	"testing"
	"time"

	"parley/internal/sim/llm"
)

func TestTakeovers(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	call := func(question string, outcome llm.Outcome, from, to int) llm.Entry {
		return llm.Entry{Last: question, Outcome: outcome, At: at(from), EndedAt: at(to)}
	}
	kill := event{What: "kill", Part: "client-1", At: at(1000), Gone: time.Second}
	calls := []llm.Entry{
		call("cut off", llm.Cancelled, 500, 1010), call("cut off", llm.Finished, 5500, 7000),
		call("of another", llm.Finished, 500, 2000),
		call("stopped before", llm.Cancelled, 500, 900), call("stopped before", llm.Finished, 2000, 3000),
		call("never again", llm.Cancelled, 500, 1010),
	}
	for _, c := range []struct {
		name    string
		events  []event
		n, calm int
	}{
		{"a kill alone", []event{kill}, 1, 1},
		{"and something long before", []event{{What: "kill", Part: "redis", At: at(-9000), Gone: time.Second}, kill}, 1, 1},
		{"and something meanwhile", []event{kill, {What: "slow", Part: "redis-client-2", At: at(3000), Gone: time.Second}}, 1, 0},
		{"a server's", []event{{What: "kill", Part: "server-1", At: at(1000)}}, 0, 0},
		{"a stop", []event{{What: "stop", Part: "client-1", At: at(1000)}}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, calm := takeovers(c.events, calls)
			if all.N != c.n || calm.N != c.calm || c.n > 0 && all.Max != 4500*time.Millisecond {
				t.Errorf("%+v, undisturbed %+v", all, calm)
			}
		})
	}
}

package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/test/realdeps"
)

// costs are round figures, so that a plan can be made by hand.
func costs() Costs {
	return Costs{
		Client: time.Millisecond, Server: time.Millisecond / 2, Redis: time.Millisecond / 4,
		ClientTurn: 100 << 10, ServerTurn: 50 << 10, Conversation: 40 << 10, Remembered: 100,
		Beat: 100, Command: 10 * time.Microsecond, Probe: 100 * time.Microsecond, ProbesUsed: 3, ProbesIdle: 0.5,
	}
}

func TestPlan(t *testing.T) {
	tests := map[string]struct {
		demand                   Demand
		rate, inFlight           float64
		clients, servers, byHand int
		limit                    string
	}{
		"ten thousand": {usual(10_000), 16.7, 333, 2, 2, 1, "none near"},
		// 1,667/s: 2.8 cores of clients are one process of four, but 33,333 turns are four of 10,000; and one to be without.
		"a million": {usual(1_000_000), 1666.7, 33333, 5, 5, 1, "none near"},
		// 4.2 cores of Redis and the beat of 35 client services: two shards of sixteen to each of eight masters.
		"ten million": {usual(10_000_000), 16666.7, 333333, 35, 35, 8, "by hand"},
		// 42 cores of Redis in sixteen shards are 2.6 to each.
		"ten times more": {usual(100_000_000), 166666.7, 3333333, 335, 335, 0, "several tenants"},
		"many tenants":   {of(1_000_000, 1000), 1666.7, 33333, 2000, 5, 0, "at rest"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := costs().plan(tt.demand)
			if math.Abs(p.Rate-tt.rate) > 0.1 || math.Abs(p.InFlight-tt.inFlight) > 1 {
				t.Errorf("%.1f messages a second, %.0f in flight, want %.1f, %.0f", p.Rate, p.InFlight, tt.rate, tt.inFlight)
			}
			if p.Clients != tt.clients || p.Servers != tt.servers || tt.demand.Tenants == 1 && p.ByHand != tt.byHand {
				t.Errorf("%d client services, %d servers, %d masters, want %d, %d, %d", p.Clients, p.Servers, p.ByHand, tt.clients, tt.servers, tt.byHand)
			}
			if !strings.Contains(p.Limit, tt.limit) {
				t.Errorf("limit %q, want %q", p.Limit, tt.limit)
			}
		})
	}
}

// A process that is missing leaves the others as busy as they were planned to be, and no busier.
func TestOneMayBeMissing(t *testing.T) {
	for _, people := range []int{10_000, 1_000_000, 50_000_000} {
		p := costs().plan(usual(people))
		if left := p.ClientCores / float64(p.Clients-1); left > perProcess {
			t.Errorf("%d people: %.1f cores for each client service that is left, want %d at most", people, left, perProcess)
		}
		if left := p.InFlight / float64(p.Servers-1); left > most {
			t.Errorf("%d people: %.0f turns for each server that is left, want %d at most", people, left, most)
		}
	}
}

// The page says what the arithmetic says.
func TestPage(t *testing.T) {
	const file = "../../docs/growth.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(b), "<!-- go run ./test/growth -page -->\n")
	got, _, ended := strings.Cut(rest, "<!-- end -->")
	if !begun || !ended || strings.TrimSpace(got) != strings.TrimSpace(tables()) {
		t.Errorf("%s is not what `go run ./test/growth -page` prints: put that between its marks\n%s", file, tables())
	}
}

func TestSlotIsRedisClusters(t *testing.T) {
	if got := slot("123456789"); got != 0x31c3%slots { // the specification's own example
		t.Errorf("slot %d, want %d", got, 0x31c3%slots)
	}
	server, err := realdeps.StartRedis(t.Context(), realdeps.Redis{Dir: t.TempDir(), Cluster: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer rdb.Close()
	for _, tag := range []string{"acme:00", "acme:15", "company-3-7:09"} {
		want, err := rdb.ClusterKeySlot(t.Context(), "parley:1:{"+tag+"}:n").Result()
		if err != nil || int64(slot(tag)) != want {
			t.Errorf("%s: slot %d, Redis says %d, %v", tag, slot(tag), want, err)
		}
	}
}

func TestFullestShare(t *testing.T) {
	if got := fullestShare(1, 1); got != 1 {
		t.Errorf("one master has %v, want all", got)
	}
	for _, n := range []int{2, 3, 8, 40} {
		lone, many := fullestShare(1, n), fullestShare(200, n)
		const rounding = 1e-9
		if lone < 1/float64(min(n, shards))-rounding || many < 1/float64(n)-rounding || many > lone+rounding {
			t.Errorf("%d masters: a lone tenant's fullest has %.2f, that of 200 tenants %.2f", n, lone, many)
		}
		if n == 8 && many > 0.15 {
			t.Errorf("200 tenants on 8 masters: the fullest has %.2f, want near an eighth", many)
		}
	}
}

func TestWaits(t *testing.T) {
	const step = time.Millisecond
	for _, busy := range []float64{0.3, 0.6, 0.8} {
		p50, p99 := waits(busy, step, 0)
		if p50 < step || p99 < p50 {
			t.Errorf("busy to %v: p50 %v, p99 %v", busy, p50, p99)
		}
	}
	// An idle master answers after a step and a sync, or two where one had just begun.
	p50, p99 := waits(0.001, step, step)
	if p50 != 2*step || p99 > 4*step {
		t.Errorf("idle: p50 %v, p99 %v", p50, p99)
	}
	if _, calm := waits(0.5, step, step); calm > 20*step {
		t.Errorf("half busy: p99 %v", calm)
	}
}

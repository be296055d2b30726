package main

import (
	"fmt"
	"strings"
	"time"
)

// tables is what docs/growth.md holds between its marks.
func tables() string {
	c := measured()
	var b strings.Builder
	fmt.Fprintln(&b, "| people (tenants) | messages/s | in flight | client services | servers | Redis masters | Redis memory | what comes next |")
	fmt.Fprintln(&b, "| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, d := range []Demand{of(10_000, 1), of(100_000, 1), of(1_000_000, 1), of(1_000_000, 50), of(10_000_000, 1), of(10_000_000, 500)} {
		p := c.plan(d)
		fmt.Fprintf(&b, "| %s (%d) | %.0f | %.0f | %s | %s | %s, the fullest %.0f %% busy | %.1f GiB | %s |\n",
			thousands(p.People), p.Tenants, p.Rate, p.InFlight, p.clients(), p.servers(), p.masters(), p.Fullest*100, gib(p.RedisMemory), p.Limit)
	}
	fmt.Fprintln(&b, "\n| a master is busy to | a step takes, p50 | p99 |")
	fmt.Fprintln(&b, "| --- | --- | --- |")
	for _, busy := range []float64{0.3, 0.6, 0.8, 0.9} {
		p50, p99 := waits(busy, c.Redis/steps, c.Sync)
		fmt.Fprintf(&b, "| %.0f %% | %s | %s |\n", busy*100, ms(p50), ms(p99))
	}
	fmt.Fprintln(&b, "\n| one tenant on so many masters | its fullest has | so it carries as much as |")
	fmt.Fprintln(&b, "| --- | --- | --- |")
	for _, n := range []int{1, 2, 3, 4, 6, 8, 16, 32} {
		share := fullestShare(1, n)
		fmt.Fprintf(&b, "| %d | %.0f of 16 shards | %.1f masters |\n", n, share*shards, 1/share)
	}
	return b.String()
}

// steps of a message: accept, claim, commit, delivered.
const steps = 4

func of(people, tenants int) Demand {
	d := usual(people)
	d.Tenants = tenants
	return d
}

func thousands(n int) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%d million", n/1_000_000)
	}
	return fmt.Sprintf("%d,000", n/1000)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

package operate

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

const testPrices = `currency: CNY
prices:
  - {model: a/one, from: 2026-01-01, input: 1, cached: 0.5, output: 4}
  - {model: a/one, from: 2026-11-22, input: 2, output: 8}
`

// spent fills a store with three days of acme and one of beta.
func spent(t *testing.T, mr *miniredis.Miniredis) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	fence := int64(0)
	spend := func(tenant, user string, s chat.Spend) {
		t.Helper()
		fence++
		c := conversation.Claim{Shard: conversation.Shard{Tenant: tenant, Index: int(fence % 16)}, Fence: fence}
		if err := store.Spend(t.Context(), c, user, []chat.Spend{s}); err != nil {
			t.Fatal(err)
		}
	}
	for day := range 3 {
		mr.SetTime(time.Date(2026, 11, 20+day, 16, 30, 0, 0, time.UTC)) // half past midnight in Beijing, of the 21st, 22nd and 23rd
		spend("acme", "zhang", chat.Spend{Provider: "a", Model: "one", Usage: chat.Usage{Input: 1_000_000, Cached: 500_000, Output: 100_000}})
		spend("acme", "li", chat.Spend{Provider: "a", Model: "one", Own: true, Usage: chat.Usage{Input: 1_000_000}})
		spend("acme", "li", chat.Spend{Provider: "b", Model: "two", Usage: chat.Usage{Input: 7, Output: 3, Estimated: true}})
	}
	spend("beta", "wang", chat.Spend{Provider: "a", Model: "one", Usage: chat.Usage{Input: 500_000}})
	return store
}

// usageOf runs the command over a store and returns what it printed.
func usageOf(t *testing.T, prices string, by string, asJSON bool) (stdout, stderr string) {
	t.Helper()
	mr := miniredis.RunT(t)
	spent(t, mr)
	file := auditFile(t, mr.Addr())
	if prices != "" {
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), "parley-prices.yaml"), []byte(prices), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := SpendingOptions{Tenants: []string{"acme", "beta"}, By: by}
	if err := errors.Join(o.Days("2026-11-21", "2026-11-23", time.Now()), o.Check()); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := said(t, func(ctx context.Context, env wire.Env) error { return Usage(ctx, env, file, o, asJSON) })
	if err != nil {
		t.Fatal(err)
	}
	return stdout, stderr
}

// TestUsageWithMoney: each day at its own price, own keys and what has no price apart.
func TestUsageWithMoney(t *testing.T) {
	for by, want := range map[string][]string{
		// zhang: on the 21st 0.5 + 0.25 + 0.4, on the 22nd and 23rd 2 + 0.8 each; li pays 1 + 2 + 2 to the provider; beta 1.
		ByTenant: {"acme 9 6000021 1500000 300009 30 6.75 5.00 30", "beta 1 500000 0 0 0 1.00 0.00 0", "all 10 6500021 1500000 300009 30 7.75 5.00 30", "30 tokens are of models that parley-prices has no price for"},
		ByDay:    {"2026-11-21 3 2000007 500000 100003 10 1.15 1.00 10", "2026-11-22 3 2000007 500000 100003 10 2.80 2.00 10", "2026-11-23 4 2500007 500000 100003 10 3.80 2.00 10"},
		ByModel:  {"acme a/one 6 6000000 1500000 300000 0 6.75 5.00 0", "acme b/two 3 21 0 9 30 0.00 0.00 30", "beta a/one 1 500000 0 0 0 1.00 0.00 0"},
		ByUser:   {"acme zhang 3 3000000 1500000 300000 0 6.75 0.00 0", "acme li 6 3000021 0 9 30 0.00 5.00 30"},
		"":       {"2026-11-21 acme a/one 2 2000000 500000 100000 0 1.15 1.00 0", "2026-11-23 beta a/one 1 500000 0 0 0 1.00 0.00 0"},
	} {
		out, stderr := usageOf(t, testPrices, by, false)
		lines := strings.Split(out, "\n")
		for i := range lines {
			lines[i] = strings.Join(strings.Fields(lines[i]), " ")
		}
		all := "\n" + strings.Join(lines, "\n")
		for _, line := range want {
			if !strings.Contains(all, "\n"+line+"\n") {
				t.Errorf("by %q: no line %q in\n%s", by, line, out)
			}
		}
		if stderr != "" {
			t.Error(stderr)
		}
	}
}

func TestUsageAsJSON(t *testing.T) {
	out, _ := usageOf(t, testPrices, ByTenant, true)
	var got struct {
		Currency string
		Usage    []struct {
			Tenant, Cost string
			Own          string `json:"own_cost"`
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Currency != "CNY" || len(got.Usage) != 2 || got.Usage[0].Cost != "6.75" || got.Usage[0].Own != "5.00" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestUsageWithoutPrices: tokens are shown all the same.
func TestUsageWithoutPrices(t *testing.T) {
	if out, stderr := usageOf(t, "", ByTenant, false); !strings.Contains(out, "6000021") || strings.Contains(out, "0.00") || stderr != "" {
		t.Errorf("no document: %s%s", out, stderr)
	}
	if out, stderr := usageOf(t, "currency: yuan\n", ByTenant, false); !strings.Contains(out, "6000021") || !strings.Contains(stderr, "costs are not known") {
		t.Errorf("a faulty one: %s%s", out, stderr)
	}
}

func TestSpendingOptions(t *testing.T) {
	var week SpendingOptions
	if err := week.Days("", "", time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)); err != nil || week.To.String() != "2026-11-23" || week.From.String() != "2026-11-17" {
		t.Errorf("%v: %s to %s", err, week.From, week.To)
	}
	if err := week.Days("yesterday", "2026-02-30", time.Now()); err == nil || !strings.Contains(err.Error(), "--from") || !strings.Contains(err.Error(), "--to") {
		t.Error(err)
	}
	for want, o := range map[string]SpendingOptions{
		"after --to":          {From: 2, To: 1},
		"kept for 40":         {From: 1, To: 100},
		"none of model":       {By: "channel"},
		"is no tenant's name": {Tenants: []string{"Acme"}},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

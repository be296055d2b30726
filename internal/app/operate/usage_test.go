package operate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

func TestUsageOfToday(t *testing.T) {
	now := time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC) // one in the morning in Beijing
	mr := miniredis.RunT(t)
	mr.SetTime(now)
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	spend := func(fence int64, user, provider string, own, estimated bool, in, out int) {
		t.Helper()
		s := chat.Spend{Provider: provider, Model: "m/1", Own: own, Usage: chat.Usage{Input: in, Cached: 1, Output: out, Estimated: estimated}}
		c := conversation.Claim{Shard: conversation.Shard{Tenant: "acme", Index: int(fence % 16)}, Fence: fence}
		if err := store.Spend(t.Context(), c, user, []chat.Spend{s}); err != nil {
			t.Fatal(err)
		}
	}
	spend(1, "zhang", "openai", false, false, 100, 10)
	spend(2, "li", "openai", true, false, 1000, 50)
	spend(3, "zhang", "openai", false, false, 100, 10)
	spend(4, "zhang", "ernie", false, true, 7, 3)
	r := conversation.Reservation{Tenant: "acme", User: "zhang", Turn: "t", Fence: 1, Tokens: 10, For: time.Minute, PerDay: 100_000, UserCap: 5000}
	if _, err := store.Reserve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := store.Settle(t.Context(), r, 1280); err != nil {
		t.Fatal(err)
	}
	var tenants []tenantReport
	for name, limits := range map[string]*chat.TenantLimits{"acme": {TokensPerDay: 200_000, UserPerDay: 7000}, "idle": {}, "unread": nil} {
		u, err := askUsage(t.Context(), store, name, now)
		if err != nil {
			t.Fatal(err)
		}
		if limits != nil { // of the document, whatever the last turn was judged by
			u.setCap(*limits)
		}
		tenants = append(tenants, tenantReport{Tenant: name, Usage: u})
	}
	slices.SortFunc(tenants, func(a, b tenantReport) int { return strings.Compare(a.Tenant, b.Tenant) })
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 2, 8, 2, ' ', 0)
	printUsage(w, tenants)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(text.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"",
		"TOKENS 2026-11-23 PROVIDER/MODEL CALLS IN OUT ESTIMATED IN ESTIMATED OUT PEOPLE CAP",
		"acme ernie/m/1 1 0 0 7 3",
		"acme openai/m/1 2 200 20 0 0",
		"acme openai/m/1 (own key) 1 1000 50 0 0",
		"acme all 4 1200 70 7 3 2 1280 of 200000 (0%), 7000 a person",
		"idle all 0 0 0 0 0 0 -",
		"unread all 0 0 0 0 0 0 not known: the tenant's document could not be read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	doc, err := json.Marshal(tenants[0].Usage)
	if err != nil {
		t.Fatal(err)
	}
	const wantJSON = `{"day":"2026-11-23",` +
		`"reported":{"calls":3,"input":1200,"cached":3,"output":70,"reasoning":0},"estimated":{"calls":1,"input":7,"cached":1,"output":3,"reasoning":0},` +
		`"by_model":[` +
		`{"provider":"ernie","model":"m/1","own_key":false,"estimated":true,"calls":1,"input":7,"cached":1,"output":3,"reasoning":0},` +
		`{"provider":"openai","model":"m/1","own_key":false,"estimated":false,"calls":2,"input":200,"cached":2,"output":20,"reasoning":0},` +
		`{"provider":"openai","model":"m/1","own_key":true,"estimated":false,"calls":1,"input":1000,"cached":1,"output":50,"reasoning":0}],` +
		`"people":2,"by_user":[` +
		`{"user":"li","reported":{"calls":1,"input":1000,"cached":1,"output":50,"reasoning":0},` +
		`"estimated":{"calls":0,"input":0,"cached":0,"output":0,"reasoning":0},"by_model":[` +
		`{"provider":"openai","model":"m/1","own_key":true,"estimated":false,"calls":1,"input":1000,"cached":1,"output":50,"reasoning":0}]},` +
		`{"user":"zhang","reported":{"calls":2,"input":200,"cached":2,"output":20,"reasoning":0},` +
		`"estimated":{"calls":1,"input":7,"cached":1,"output":3,"reasoning":0},"by_model":[` +
		`{"provider":"ernie","model":"m/1","own_key":false,"estimated":true,"calls":1,"input":7,"cached":1,"output":3,"reasoning":0},` +
		`{"provider":"openai","model":"m/1","own_key":false,"estimated":false,"calls":2,"input":200,"cached":2,"output":20,"reasoning":0}]}],` +
		`"budget":{"spent":1280,"tokens_per_day":200000,"user_tokens_per_day":7000}}`
	if diff := cmp.Diff(wantJSON, string(doc)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	for b, want := range map[*budgetReport]string{
		nil:                       "-",
		{Spent: 5, UserCap: 100}:  "5 used, 100 a person",
		{Spent: 150, Cap: 100}:    "150 of 100 (150%)",
		{Spent: 999, Cap: 100000}: "999 of 100000 (0%)",
	} {
		if got := b.String(); got != want {
			t.Errorf("%+v: %q, want %q", b, got, want)
		}
	}
	mr.Close()
	if _, err := askUsage(t.Context(), store, "acme", now); err == nil || !strings.Contains(err.Error(), "acme") {
		t.Errorf("without Redis: %v", err)
	}
}

package route

import (
	"math"
	"strings"
	"testing"
	"time"
)

const priceList = `
currency: CNY
prices:
  - {model: openai/gpt-4o-mini, from: 2026-01-01, input: 1.08, cached: 0.54, output: 4.32}
  - {model: openai/gpt-4o-mini, from: 2026-06-01, input: 1, output: 4}
  - {model: openai/*, from: 2026-03-01, input: 20, output: 80.000001}
  - {model: chatglm/glm-4.6, from: 2026-01-01, input: 2, output: 8}
`

func on(t *testing.T, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestCost(t *testing.T) {
	p, err := ParsePrices([]byte(priceList), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		provider, model, day  string
		input, cached, output int
		want                  string // empty: unknown
	}{
		{"openai", "gpt-4o-mini", "2026-01-01", 1_000_000, 0, 0, "1.08"},
		{"openai", "gpt-4o-mini", "2026-05-31", 1_000_000, 500_000, 1_000_000, "5.13"},
		{"openai", "gpt-4o-mini", "2026-06-01", 1_000_000, 500_000, 0, "1.00"}, // no price of cached ones: that of input
		{"openai", "gpt-4o-mini", "2025-12-31", 1, 0, 0, ""},                   // before any price
		{"openai", "gpt-4o", "2026-02-28", 1, 0, 0, ""},
		{"openai", "gpt-4o", "2026-03-01", 0, 0, 1_000_000, "80.000001"},
		{"openai", "gpt-4o-mini", "2026-04-01", 0, 0, 1_000_000, "4.32"}, // the model's own, though older
		{"chatglm", "glm-4.5", "2026-04-01", 1, 0, 0, ""},
		{"chatglm", "glm-4.6", "2026-04-01", 1, 0, 1, "0.00001"},
		{"chatglm", "glm-4.6", "2026-04-01", 5, 9, 0, "0.00001"}, // more cached than there were: all of them
		{"chatglm", "glm-4.6", "2026-04-01", 0, 0, 0, "0.00"},
	} {
		got, ok := p.Cost(tt.provider, tt.model, on(t, tt.day), tt.input, tt.cached, tt.output)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%+v: %s, %v", tt, got, ok)
		}
	}
	if _, ok := (*Prices)(nil).Cost("openai", "gpt-4o", time.Now(), 1, 1, 1); ok {
		t.Error("without a document there was a price")
	}
	if m, _ := p.Cost("openai", "gpt-4o", on(t, "2026-04-01"), math.MaxInt, 0, math.MaxInt); m < 0 {
		t.Error("a figure without sense became", m)
	}
}

// TestCostsAddUp: many small amounts are as much as the large one.
func TestCostsAddUp(t *testing.T) {
	p, err := ParsePrices([]byte(priceList), "", "")
	if err != nil {
		t.Fatal(err)
	}
	var sum Money
	for range 10_000 {
		m, _ := p.Cost("openai", "gpt-4o-mini", on(t, "2026-02-01"), 700, 300, 100)
		sum += m
	}
	if whole, _ := p.Cost("openai", "gpt-4o-mini", on(t, "2026-02-01"), 7_000_000, 3_000_000, 1_000_000); sum != whole {
		t.Errorf("%s in parts, %s at once", sum, whole)
	}
}

func TestPriceFaults(t *testing.T) {
	for name, test := range map[string]struct{ doc, want string }{
		"empty":          {"", "currency: is missing; write one of ISO 4217"},
		"currency":       {"currency: yuan\n", "currency: is no valid name"},
		"unknown":        {"currency: CNY\nprice: []\n", "price: is not known here; known are currency, prices"},
		"no model":       {"currency: CNY\nprices: [{from: 2026-01-01, input: 1, output: 1}]\n", "prices[0].model: is missing or no model"},
		"no provider":    {"currency: CNY\nprices: [{model: gpt-4o, from: 2026-01-01, input: 1, output: 1}]\n", "prices[0].model: is missing or no model"},
		"no day":         {"currency: CNY\nprices: [{model: a/b, input: 1, output: 1}]\n", "prices[0].from: is missing"},
		"no such day":    {"currency: CNY\nprices: [{model: a/b, from: 2026-02-30, input: 1, output: 1}]\n", "must be a day"},
		"no output":      {"currency: CNY\nprices: [{model: a/b, from: 2026-01-01, input: 1}]\n", "prices[0]: lacks a price"},
		"negative":       {"currency: CNY\nprices: [{model: a/b, from: 2026-01-01, input: -1, output: 1}]\n", "prices[0].input: must be a price"},
		"too fine":       {"currency: CNY\nprices: [{model: a/b, from: 2026-01-01, input: 0.0000001, output: 1}]\n", "prices[0].input: must be a price"},
		"a comma":        {"currency: CNY\nprices: [{model: a/b, from: 2026-01-01, input: \"1,08\", output: 1}]\n", "prices[0].input: must be a price"},
		"the same twice": {"currency: CNY\nprices:\n  - {model: a/b, from: 2026-01-01, input: 1, output: 1}\n  - {model: a/b, from: 2026-01-01, input: 2, output: 2}\n", "second price of the same model from the same day, the first is on line 3"},
	} {
		if _, err := ParsePrices([]byte(test.doc), "", ""); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
}

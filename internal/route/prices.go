package route

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Prices is one revision of parley-prices: what tokens cost, by model and date. It is for reports; no turn reads it. It is immutable; nil has no
// price.
type Prices struct {
	Revision string
	Currency string // ISO 4217, as in CNY
	list     []price
}

// price is what tokens of a model cost from a day on, in millionths of the currency for a million tokens.
type price struct {
	provider, model       string // model "": all of the provider's
	from                  string // 2026-01-31
	input, cached, output int64
}

// Money is an amount in billionths of a currency. Sums of it are exact.
type Money int64

// String writes an amount with at least two decimals and no more than it needs, up to six.
func (m Money) String() string {
	const unit = 1_000_000_000
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	micro := (int64(m) + 500) / 1000
	decimals := strings.TrimRight(fmt.Sprintf("%06d", micro%1_000_000), "0")
	for len(decimals) < 2 {
		decimals += "0"
	}
	return fmt.Sprintf("%s%d.%s", sign, micro/(unit/1000), decimals)
}

// Cost is what tokens cost at the prices of a day: that of the newest entry from before it, an entry of the model before one of all the provider's.
// cached are of input. ok is false without such an entry: then nothing is known, not that they were free.
func (p *Prices) Cost(provider, model string, day time.Time, input, cached, output int) (cost Money, ok bool) {
	if p == nil {
		return 0, false
	}
	at := day.Format(time.DateOnly)
	var best *price
	for i := range p.list {
		e := &p.list[i]
		if e.provider != provider || e.model != "" && e.model != model || e.from > at {
			continue
		}
		if best == nil || e.model != "" && best.model == "" || (e.model != "") == (best.model != "") && e.from > best.from {
			best = e
		}
	}
	if best == nil {
		return 0, false
	}
	cached = min(cached, input)
	return times(best.input, input-cached) + times(best.cached, cached) + times(best.output, output), true
}

// times is a price for so many tokens, rounded to a billionth, and held at the largest amount rather than beyond it.
func times(price int64, tokens int) Money {
	if tokens > 0 && price > math.MaxInt64/int64(tokens)-500 {
		return math.MaxInt64 / 8
	}
	return Money((price*int64(tokens) + 500) / 1000)
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// ParsePrices reads and judges parley-prices. source and revision as in [Options]. The error is a *chat.Error of kind Invalid that wraps *[Faults].
func ParsePrices(data []byte, source, revision string) (*Prices, error) {
	d := &decoder{Faults{Source: source}}
	if source == "" {
		d.Source = "parley-prices"
	}
	if revision == "" {
		revision = digest(data)
	}
	p := &Prices{Revision: revision}
	root := d.document(data)
	d.fields(root, "", map[string]func(*yaml.Node, string){
		"currency": func(n *yaml.Node, where string) { p.Currency = d.named(n, where, currencyCode) },
		"prices": func(n *yaml.Node, where string) {
			first := map[[3]string]int{}
			d.items(n, where, false, func(n *yaml.Node, where string) {
				e := d.readPrice(n, where)
				id := [3]string{e.provider, e.model, e.from}
				if line, twice := first[id]; twice && e.provider != "" {
					d.faultf(n, where, "is a second price of the same model from the same day, the first is on line %d; remove one", line)
				}
				first[id] = n.Line
				p.list = append(p.list, e)
			})
		},
	})
	if len(d.List) == 0 && p.Currency == "" {
		d.faultf(root, "currency", "is missing; write one of ISO 4217, like CNY")
	}
	if err := d.err("route.prices"); err != nil {
		return nil, err
	}
	return p, nil
}

func (d *decoder) readPrice(n *yaml.Node, where string) price {
	var e price
	var model, input, output, cached *yaml.Node
	d.fields(n, where, map[string]func(*yaml.Node, string){
		"model":  func(n *yaml.Node, _ string) { model = n },
		"from":   func(n *yaml.Node, where string) { e.from = d.day(n, where) },
		"input":  func(n *yaml.Node, where string) { input, e.input = n, d.amount(n, where) },
		"cached": func(n *yaml.Node, where string) { cached, e.cached = n, d.amount(n, where) },
		"output": func(n *yaml.Node, where string) { output, e.output = n, d.amount(n, where) },
	})
	if n.Kind != yaml.MappingNode {
		return e
	}
	name := d.text(model, where+".model")
	if provider, all := strings.CutSuffix(name, "/*"); all && providerName.MatchString(provider) {
		e.provider = provider
	} else if t, ok := splitTarget(name); ok {
		e.provider, e.model = t.provider, t.model
	} else {
		d.faultf(n, where+".model", "is missing or no model; write provider/model, or provider/* for all of a provider's")
	}
	if e.from == "" {
		d.faultf(n, where+".from", "is missing or no day; write the first on which the price holds, like 2026-01-31")
	}
	if absent(input) || absent(output) {
		d.faultf(n, where, "lacks a price; write input and output, each for a million tokens")
	}
	if absent(cached) { // of most models; who has them cheaper says so
		e.cached = e.input
	}
	return e
}

func (d *decoder) day(n *yaml.Node, where string) string {
	s := d.text(n, where)
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		if s != "" {
			d.faultf(n, where, "must be a day, like 2026-01-31")
		}
		return ""
	}
	return s
}

var decimal = regexp.MustCompile(`^(\d{1,6})(?:\.(\d{1,6}))?$`)

// amount reads a decimal number exactly, in millionths.
func (d *decoder) amount(n *yaml.Node, where string) int64 {
	m := decimal.FindStringSubmatch(d.text(n, where))
	if m == nil {
		d.faultf(n, where, "must be a price of a million tokens with at most six decimals, like 1.08, below 1000000")
		return 0
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	part, _ := strconv.ParseInt((m[2] + "000000")[:6], 10, 64)
	return whole*1_000_000 + part
}

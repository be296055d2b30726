package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/route"
)

// Spending is what was spent on something: the fields that are empty are summed over.
type Spending struct {
	Day       string              `json:"day,omitempty"` // in Beijing
	Tenant    string              `json:"tenant,omitempty"`
	User      string              `json:"user,omitempty"` // hashed
	Provider  string              `json:"provider,omitempty"`
	Model     string              `json:"model,omitempty"`
	Reported  conversation.Tokens `json:"reported"`  // by providers
	Estimated conversation.Tokens `json:"estimated"` // by Parley, where a provider did not say
	Cost      Amount              `json:"cost"`      // by the platform's keys, at the prices of each day
	OwnCost   Amount              `json:"own_cost"`  // by keys of the tenant's own: it pays the provider itself
	Unpriced  int                 `json:"unpriced"`  // tokens of models without a price
}

// Amount is money as reports show it.
type Amount struct{ route.Money }

// MarshalJSON writes an amount as a string, so that no reader makes a floating point number of it.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(`"` + a.String() + `"`), nil }

// plus adds what o spent; the names stay.
func (s *Spending) plus(o Spending) {
	s.Reported, s.Estimated = s.Reported.Plus(o.Reported), s.Estimated.Plus(o.Estimated)
	s.Cost.Money += o.Cost.Money
	s.OwnCost.Money += o.OwnCost.Money
	s.Unpriced += o.Unpriced
}

// all is what was reported and estimated together.
func (s Spending) all() conversation.Tokens { return s.Reported.Plus(s.Estimated) }

// The ways to sum up spending.
const (
	ByModel  = "model" // and tenant
	ByDay    = "day"
	ByTenant = "tenant"
	ByUser   = "user" // and tenant
)

// SpendingOptions choose what is summed up, and how.
type SpendingOptions struct {
	Tenants  []string         // none: the configuration's, and those of living clients
	From, To conversation.Day // both included
	By       string           // one of the above, or "": by day, tenant and model
}

// Days takes the first and the last day as they are typed, in Beijing; by default they are the seven up to now.
func (o *SpendingOptions) Days(from, to string, now time.Time) error {
	today := conversation.DayOf(now)
	o.From, o.To = today-6, today
	var errs []error
	for _, f := range []struct {
		flag, s string
		day     *conversation.Day
	}{{"from", from, &o.From}, {"to", to, &o.To}} {
		if f.s == "" {
			continue
		}
		at, err := time.ParseInLocation(time.DateOnly, f.s, conversation.Day(0).Begins().Location())
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s %q is no day like 2026-01-31", f.flag, f.s))
			continue
		}
		*f.day = conversation.DayOf(at)
	}
	return errors.Join(errs...)
}

// maxDays is for how long usage is kept: nothing is there before.
const maxDays = int(conversation.KeepUsage/(24*time.Hour)) + 1

// Check says what is wrong with the options by themselves.
func (o SpendingOptions) Check() error {
	var errs []error
	for _, t := range o.Tenants {
		if !chat.ValidName(t) {
			errs = append(errs, fmt.Errorf("--tenant %q is no tenant's name: they are of a-z, 0-9 and -", t))
		}
	}
	if o.To < o.From {
		errs = append(errs, fmt.Errorf("--from %s is after --to %s", o.From, o.To))
	} else if int(o.To-o.From) > maxDays {
		errs = append(errs, fmt.Errorf("%d days were asked for; usage is kept for %d", o.To-o.From+1, maxDays-1))
	}
	if !slices.Contains([]string{"", ByModel, ByDay, ByTenant, ByUser}, o.By) {
		errs = append(errs, fmt.Errorf("--by %q is none of model, day, tenant, user", o.By))
	}
	return errors.Join(errs...)
}

// SpendingReport is what was spent in some days.
type SpendingReport struct {
	From     string     `json:"from"`
	To       string     `json:"to"`
	Currency string     `json:"currency"`           // empty: there are no prices
	Unpriced string     `json:"unpriced,omitempty"` // why prices could not be read
	Usage    []Spending `json:"usage"`

	prices *route.Prices
}

// Spending reads what was spent, and what it cost where parley-prices knows.
func (d *Desk) Spending(ctx context.Context, o SpendingOptions) (SpendingReport, error) {
	r := SpendingReport{From: o.From.String(), To: o.To.String()}
	store, err := d.keeps(ctx)
	if err != nil {
		return r, err
	}
	if len(o.Tenants) == 0 {
		docs, err := store.Clients(ctx)
		if err != nil {
			return r, d.redis(err)
		}
		o.Tenants = tenantsOf(d.cfg, decodeClients(docs))
	}
	b, err := d.read()
	if err == nil {
		r.prices, err = b.prices(ctx)
	}
	if r.Unpriced = textOf(err); r.prices != nil {
		r.Currency = r.prices.Currency
	}
	r.Usage, err = SumSpending(ctx, store, r.prices, o)
	return r, d.redis(err)
}

// SumSpending reads what tenants' people spent and sums it up as asked, in the order of the names. Prices may be nil. A day costs 16 reads of Redis for
// each tenant.
func SumSpending(ctx context.Context, store usageReader, prices *route.Prices, o SpendingOptions) ([]Spending, error) {
	sums := map[[5]string]*Spending{}
	for _, tenant := range o.Tenants {
		for d := o.From; d <= o.To; d++ {
			u, err := store.Usage(ctx, tenant, d)
			if err != nil {
				return nil, fmt.Errorf("redis: usage of %s on %s: %w", tenant, d, err)
			}
			for _, user := range u.Users {
				for _, item := range user.Items {
					one := priced(prices, d, item)
					one.Day, one.Tenant, one.User = d.String(), tenant, user.User
					one.blank(o.By)
					key := [5]string{one.Day, one.Tenant, one.User, one.Provider, one.Model}
					if sums[key] == nil {
						sums[key] = &Spending{Day: one.Day, Tenant: one.Tenant, User: one.User, Provider: one.Provider, Model: one.Model}
					}
					sums[key].plus(one)
				}
			}
		}
	}
	out := make([]Spending, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Spending) int {
		return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(a.Tenant, b.Tenant), cmp.Compare(b.Cost.Money+b.OwnCost.Money, a.Cost.Money+a.OwnCost.Money),
			strings.Compare(a.Provider, b.Provider), strings.Compare(a.Model, b.Model), strings.Compare(a.User, b.User))
	})
	return out, nil
}

// priced is what an item cost on a day.
func priced(prices *route.Prices, d conversation.Day, item conversation.ItemUsage) Spending {
	s := Spending{Provider: item.Provider, Model: item.Model}
	if item.Estimated {
		s.Estimated = item.Tokens
	} else {
		s.Reported = item.Tokens
	}
	cost, known := prices.Cost(item.Provider, item.Model, d.Begins(), item.Input, item.Cached, item.Output)
	switch {
	case !known:
		s.Unpriced = item.Sum()
	case item.Own:
		s.OwnCost.Money = cost
	default:
		s.Cost.Money = cost
	}
	return s
}

// blank empties what is summed over.
func (s *Spending) blank(by string) {
	if by != ByUser {
		s.User = ""
	}
	if by != "" && by != ByDay {
		s.Day = ""
	}
	if by == ByDay {
		s.Tenant = ""
	}
	if by != "" && by != ByModel {
		s.Provider, s.Model = "", ""
	}
}

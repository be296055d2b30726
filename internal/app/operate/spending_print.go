package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"parley/internal/app/wire"
	"parley/internal/route"
)

// Usage is `parley usage`: it prints what tenants' people spent, with what it cost where parley-prices knows.
func Usage(ctx context.Context, env wire.Env, path string, o SpendingOptions, asJSON bool) error {
	var r SpendingReport
	err := withDesk(path, func(d *Desk) (err error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		r, err = d.Spending(ctx, o)
		return err
	})
	if err != nil {
		return err
	}
	if r.Unpriced != "" {
		fmt.Fprintln(env.Stderr, "costs are not known:", r.Unpriced)
	}
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(r)
	}
	printSpending(env.Stdout, r.Usage, r.prices, o)
	return nil
}

func (b *board) prices(ctx context.Context) (*route.Prices, error) {
	content, exists, err := b.get(ctx, wire.PricesDocument)
	if err != nil || !exists {
		return nil, err
	}
	return route.ParsePrices(content, wire.PricesDocument, "")
}

func printSpending(w io.Writer, list []Spending, prices *route.Prices, o SpendingOptions) {
	fmt.Fprintf(w, "%s to %s, days in Beijing\n", o.From, o.To)
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing was spent")
		return
	}
	cost := "COST"
	if prices != nil {
		cost += " " + prices.Currency
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%sCALLS\tIN\tCACHED\tOUT\tESTIMATED\t%s\tOWN KEYS\tUNPRICED\n", o.heads(), cost)
	var sum Spending
	for _, s := range list {
		o.row(t, s, o.names(s), prices != nil)
		sum.plus(s)
	}
	if len(list) > 1 {
		o.row(t, sum, "all\t"+strings.Repeat("\t", strings.Count(o.heads(), "\t")-1), prices != nil)
	}
	_ = t.Flush()
	if sum.Unpriced > 0 && prices != nil {
		fmt.Fprintf(w, "%d tokens are of models that %s has no price for\n", sum.Unpriced, wire.PricesDocument)
	}
}

func (o SpendingOptions) row(w io.Writer, s Spending, names string, priced bool) {
	all, cost, own := s.all(), "-", "-"
	if priced {
		cost, own = s.Cost.String(), s.OwnCost.String()
	}
	fmt.Fprintf(w, "%s%d\t%d\t%d\t%d\t%d\t%s\t%s\t%d\n", names, all.Calls, all.Input, all.Cached, all.Output, s.Estimated.Sum(), cost, own, s.Unpriced)
}

func (o SpendingOptions) heads() string {
	switch o.By {
	case ByDay:
		return "DAY\t"
	case ByTenant:
		return "TENANT\t"
	case ByUser:
		return "TENANT\tUSER\t"
	case ByModel:
		return "TENANT\tPROVIDER/MODEL\t"
	default:
		return "DAY\tTENANT\tPROVIDER/MODEL\t"
	}
}

func (o SpendingOptions) names(s Spending) string {
	switch o.By {
	case ByDay:
		return s.Day + "\t"
	case ByTenant:
		return s.Tenant + "\t"
	case ByUser:
		return s.Tenant + "\t" + s.User + "\t"
	case ByModel:
		return s.Tenant + "\t" + s.Provider + "/" + s.Model + "\t"
	default:
		return s.Day + "\t" + s.Tenant + "\t" + s.Provider + "/" + s.Model + "\t"
	}
}

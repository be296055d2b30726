package operate

import (
	"context"
	"fmt"
	"io"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// usageReport is what a tenant's people spent today.
type usageReport struct {
	Day       string                   `json:"day"` // in Beijing
	Reported  conversation.Tokens      `json:"reported"`
	Estimated conversation.Tokens      `json:"estimated"` // by Parley, where a provider did not say
	Items     []conversation.ItemUsage `json:"by_model"`
	People    int                      `json:"people"`
	Users     []conversation.UserUsage `json:"by_user"` // hashed; who spent most comes first
	Budget    *budgetReport            `json:"budget,omitempty"`

	spent  int  // since a cap is in force
	capped bool // the tenant's document was read: without Budget there is no cap
}

// budgetReport is how far the day's caps are used up; it is there if the tenant's document has a cap.
type budgetReport struct {
	Spent   int `json:"spent"` // since a cap is in force
	Cap     int `json:"tokens_per_day"`
	UserCap int `json:"user_tokens_per_day"`
}

// usageReader is what status reads of a store.
type usageReader interface {
	Usage(ctx context.Context, tenant string, d conversation.Day) (conversation.Usage, error)
	Budget(ctx context.Context, tenant, user string, d conversation.Day) (conversation.Budget, error)
}

func askUsage(ctx context.Context, store usageReader, tenant string, now time.Time) (usageReport, error) {
	day := conversation.DayOf(now)
	r := usageReport{Day: day.String(), Items: []conversation.ItemUsage{}, Users: []conversation.UserUsage{}} // [], not null
	u, err := store.Usage(ctx, tenant, day)
	if err != nil {
		return r, fmt.Errorf("redis: usage of %s: %w", tenant, err)
	}
	b, err := store.Budget(ctx, tenant, "", day)
	if err != nil {
		return r, fmt.Errorf("redis: budget of %s: %w", tenant, err)
	}
	r.Reported, r.Estimated = u.Total()
	r.Items, r.Users, r.People = append(r.Items, u.Items...), append(r.Users, u.Users...), len(u.Users)
	r.spent = b.Spent
	return r, nil
}

// readUsage is a tenant's usage as it was read last.
type readUsage struct {
	at time.Time
	usageReport
}

// usageFresh is how long a desk that stays open shows a tenant's usage as it was read: it is a record for everybody who asked today.
const usageFresh = 30 * time.Second

func (d *Desk) usageToday(ctx context.Context, store usageReader, tenant string, now time.Time) (usageReport, error) {
	d.mu.Lock()
	last, ok := d.today[tenant]
	d.mu.Unlock()
	if ok && now.Sub(last.at) < usageFresh && last.Day == conversation.DayOf(now).String() {
		return last.usageReport, nil
	}
	u, err := askUsage(ctx, store, tenant, now)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.today == nil {
			d.today = map[string]readUsage{}
		}
		d.today[tenant] = readUsage{now, u}
	}
	return u, err
}

// setCap enters the caps of the tenant's document.
func (r *usageReport) setCap(l chat.TenantLimits) {
	r.capped = true
	if l.TokensPerDay > 0 || l.UserPerDay > 0 {
		r.Budget = &budgetReport{Spent: r.spent, Cap: l.TokensPerDay, UserCap: l.UserPerDay}
	}
}

// cap is how far the caps are used up, in words.
func (r usageReport) cap() string {
	if !r.capped {
		return "not known: the tenant's document could not be read"
	}
	return r.Budget.String()
}

// printUsage writes a table of today's tokens: by model, and for each tenant in all. w aligns tabs.
func printUsage(w io.Writer, tenants []tenantReport) {
	if len(tenants) == 0 {
		return
	}
	fmt.Fprintf(w, "\nTOKENS %s\tPROVIDER/MODEL\tCALLS\tIN\tOUT\tESTIMATED IN\tESTIMATED OUT\tPEOPLE\tCAP\n", tenants[0].Usage.Day)
	for _, t := range tenants {
		u := t.Usage
		for _, i := range u.Items {
			name := i.Provider + "/" + i.Model
			if i.Own {
				name += " (own key)"
			}
			reported, estimated := i.Tokens, conversation.Tokens{}
			if i.Estimated {
				reported, estimated = estimated, reported
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t\t\n", t.Tenant, name, tokenColumns(reported, estimated))
		}
		fmt.Fprintf(w, "%s\tall\t%s\t%d\t%s\n", t.Tenant, tokenColumns(u.Reported, u.Estimated), u.People, u.cap())
	}
}

func tokenColumns(reported, estimated conversation.Tokens) string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d", reported.Calls+estimated.Calls, reported.Input, reported.Output, estimated.Input, estimated.Output)
}

// String is how far a cap is used up, in words.
func (b *budgetReport) String() string {
	if b == nil {
		return "-"
	}
	all, each := fmt.Sprintf("%d used", b.Spent), ""
	if b.Cap > 0 {
		all = fmt.Sprintf("%d of %d (%d%%)", b.Spent, b.Cap, int(100*float64(b.Spent)/float64(b.Cap)))
	}
	if b.UserCap > 0 {
		each = fmt.Sprintf(", %d a person", b.UserCap)
	}
	return all + each
}

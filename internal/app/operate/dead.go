package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

// DeadOptions choose dead letters, for `parley dead`, `retry` and `drop`.
type DeadOptions struct {
	Tenant string        // empty: the configuration's and those of living clients
	IDs    []string      // as `parley dead` lists them; none: all that fit
	Older  time.Duration // only those given up at least so long ago
	For    string        // only those given up for this reason, as `parley dead` lists it
	Reason string        // why they are retried or dropped, for the audit
}

// Check says what is wrong with the options by themselves.
func (o DeadOptions) Check() error {
	var errs []error
	if o.Tenant != "" && !chat.ValidName(o.Tenant) {
		errs = append(errs, fmt.Errorf("--tenant %q is no tenant's name: they are of a-z, 0-9 and -", o.Tenant))
	}
	if o.Older < 0 {
		errs = append(errs, errors.New("--older must be a time that has passed, like 1h"))
	}
	for _, id := range o.IDs {
		d, err := conversation.ParseDeadID(id)
		if err == nil && o.Tenant != "" && d.Shard.Tenant != o.Tenant {
			err = fmt.Errorf("%s is not a dead letter of --tenant %s", id, o.Tenant)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (o DeadOptions) fits(d conversation.DeadLetter, now time.Time) bool {
	return now.Sub(d.At) >= o.Older && (o.For == "" || d.Reason == o.For) &&
		(len(o.IDs) == 0 || slices.Contains(o.IDs, d.ID.String()))
}

// DeadReport is one dead letter in `parley dead --json`. It never holds what the person wrote, or who that is.
type DeadReport struct {
	ID         string    `json:"id"`
	Tenant     string    `json:"tenant"`
	Channel    string    `json:"channel"`
	Turn       string    `json:"turn"` // as in the log
	Reason     string    `json:"reason"`
	GivenUpAt  time.Time `json:"given_up_at"`
	AcceptedAt time.Time `json:"accepted_at"`
	Age        float64   `json:"age_seconds"`        // since it was accepted
	Attempts   int       `json:"attempts,omitempty"` // claims, the one that gave it up included; absent: not known
}

// Dead is `parley dead`: it lists the dead letters, oldest first.
func Dead(ctx context.Context, env wire.Env, path string, o DeadOptions, asJSON bool) error {
	return withStore(ctx, path, func(ctx context.Context, d *Desk) error {
		reports, err := d.Dead(ctx, o)
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(env.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(reports)
		}
		return printDead(env.Stdout, reports, time.Now())
	})
}

// Dead lists the dead letters that fit, oldest first.
func (d *Desk) Dead(ctx context.Context, o DeadOptions) ([]DeadReport, error) {
	letters, err := d.findDead(ctx, o)
	if err != nil {
		return nil, err
	}
	reports := []DeadReport{}
	for _, l := range letters {
		reports = append(reports, reportDead(l))
	}
	return reports, nil
}

func reportDead(d conversation.DeadLetter) DeadReport {
	m := d.Message
	return DeadReport{
		ID: d.ID.String(), Tenant: m.Conversation.Tenant, Channel: m.Conversation.Channel, Turn: d.Turn(), Reason: d.Reason,
		GivenUpAt: d.At, AcceptedAt: m.AcceptedAt, Age: math.Round(time.Since(m.AcceptedAt).Seconds()), Attempts: d.Claims,
	}
}

func printDead(w io.Writer, reports []DeadReport, now time.Time) error {
	if len(reports) == 0 {
		fmt.Fprintln(w, "no dead letter")
		return nil
	}
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tCHANNEL\tGIVEN UP\tREASON\tAGE\tATTEMPTS\tTURN")
	for _, r := range reports {
		attempts := "-"
		if r.Attempts > 0 {
			attempts = fmt.Sprint(r.Attempts)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Channel, moment(r.GivenUpAt, now), r.Reason, briefly(time.Duration(r.Age)*time.Second), attempts, r.Turn)
	}
	return t.Flush()
}

// withStore calls f with a desk that has the store alone: neither documents nor servers are asked.
func withStore(ctx context.Context, path string, f func(context.Context, *Desk) error) error {
	cfg, err := config.Load(path, config.Options{Secrets: wire.NewSecrets(nil).Static})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := &Desk{cfg: cfg}
	if r := cfg.Redis(); r != nil {
		d.store, d.noStore = wire.OpenStore(*r)
		defer d.Close()
	}
	return f(ctx, d)
}

// findDead finds those that fit, oldest first. A later release's letters are not to be put back or dropped by this one.
func (d *Desk) findDead(ctx context.Context, o DeadOptions) ([]conversation.DeadLetter, error) {
	store, err := d.keeps(ctx)
	if err != nil {
		return nil, err
	}
	letters, err := findDead(ctx, store, d.cfg, o)
	return letters, d.redis(err)
}

func findDead(ctx context.Context, store *redisstore.Store, cfg config.Either, o DeadOptions) (out []conversation.DeadLetter, err error) {
	tenants := []string{o.Tenant}
	if o.Tenant == "" {
		docs, err := store.Clients(ctx)
		if err != nil {
			return nil, err
		}
		tenants = tenantsOf(cfg, decodeClients(docs))
		for _, id := range o.IDs { // which may be of a tenant that nobody serves now
			d, err := conversation.ParseDeadID(id)
			if err == nil && !slices.Contains(tenants, d.Shard.Tenant) {
				tenants = append(tenants, d.Shard.Tenant)
			}
		}
	}
	now := time.Now()
	for _, t := range tenants {
		letters, err := store.DeadLetters(ctx, t, math.MaxInt)
		if err != nil {
			return nil, err
		}
		for _, d := range letters {
			if o.fits(d, now) {
				out = append(out, d)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b conversation.DeadLetter) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID.Seq, b.ID.Seq))
	})
	return out, nil
}

// printEnded says how to see the dead letters, and which messages were lost for good.
func printEnded(w io.Writer, tenants []tenantReport) {
	dead := false
	for _, t := range tenants {
		dead = dead || t.Dead > 0
		if t.Ended > 0 {
			fmt.Fprintf(w, "%s: %d messages were forgotten unanswered after a week, ever\n", t.Tenant, t.Ended)
		}
	}
	if dead {
		fmt.Fprintln(w, "dead letters: `parley dead` lists them, `parley retry` and `parley drop` deal with them")
	}
}

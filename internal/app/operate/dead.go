package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
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

// deadReport is one dead letter in `parley dead --json`. It never holds what the person wrote, or who that is.
type deadReport struct {
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
	return withDead(ctx, path, o, func(_ context.Context, _ *redisstore.Store, letters []conversation.DeadLetter) error {
		now := time.Now()
		reports := []deadReport{}
		for _, d := range letters {
			m := d.Message
			reports = append(reports, deadReport{
				ID: d.ID.String(), Tenant: m.Conversation.Tenant, Channel: m.Conversation.Channel, Turn: d.Turn(), Reason: d.Reason,
				GivenUpAt: d.At, AcceptedAt: m.AcceptedAt, Age: math.Round(now.Sub(m.AcceptedAt).Seconds()), Attempts: d.Claims,
			})
		}
		if asJSON {
			enc := json.NewEncoder(env.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(reports)
		}
		return printDead(env.Stdout, reports, now)
	})
}

func printDead(w io.Writer, reports []deadReport, now time.Time) error {
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

// Retry is `parley retry`: the dead letters chosen wait again as new messages, at the end of their conversations.
func Retry(ctx context.Context, env wire.Env, path string, o DeadOptions) error {
	return exhume(ctx, env, path, o, "retry", "put back, to be answered after what waits in their conversations", (*redisstore.Store).Retry)
}

// Drop is `parley drop`: the dead letters chosen are forgotten.
func Drop(ctx context.Context, env wire.Env, path string, o DeadOptions) error {
	return exhume(ctx, env, path, o, "drop", "dropped", (*redisstore.Store).Drop)
}

type exhumation func(*redisstore.Store, context.Context, []conversation.DeadID) ([]conversation.DeadID, error)

// exhume does one step with the dead letters chosen, says what was done, and fails if one that was named is none.
func exhume(ctx context.Context, env wire.Env, path string, o DeadOptions, action, said string, step exhumation) error {
	return withDead(ctx, path, o, func(ctx context.Context, store *redisstore.Store, letters []conversation.DeadLetter) error {
		var ids []conversation.DeadID
		for _, d := range letters {
			ids = append(ids, d.ID)
		}
		done, err := step(store, ctx, ids)
		names := []string{}
		for _, id := range done {
			names = append(names, id.String())
		}
		if len(done) > 0 {
			fmt.Fprintf(env.Stdout, "%d %s: %s\n", len(done), said, strings.Join(names, " "))
			slog.New(slog.NewJSONHandler(env.Stderr, nil)).Info("audit", "action", action, "by", operator(), "reason", o.Reason, "dead_letters", names)
		}
		if err != nil {
			return fmt.Errorf("%s, after %d of %d: %w", action, len(done), len(ids), err)
		}
		var missing []string
		for _, id := range o.IDs {
			if !slices.Contains(names, id) && !slices.Contains(missing, id) {
				missing = append(missing, id)
			}
		}
		switch {
		case len(missing) > 0:
			return fmt.Errorf("not found, or not what --older and --for ask for: %s (see `parley dead`)", strings.Join(missing, " "))
		case len(done) == 0:
			fmt.Fprintln(env.Stdout, "no dead letter fits: nothing was changed")
		}
		return nil
	})
}

// withDead calls f with the dead letters that fit, oldest first.
func withDead(
	ctx context.Context, path string, o DeadOptions, f func(context.Context, *redisstore.Store, []conversation.DeadLetter) error,
) error {
	cfg, err := config.LoadClient(path, config.Options{Secrets: wire.NewSecrets(nil).Static})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	store, err := wire.OpenStore(cfg.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	var letters []conversation.DeadLetter
	if err = store.Readable(ctx); err == nil { // a later release's letters are not to be put back or dropped by this one
		letters, err = findDead(ctx, store, cfg, o)
	}
	if err != nil {
		return fmt.Errorf("redis at %s: %w", strings.Join(cfg.Redis.Addrs, ", "), err)
	}
	return f(ctx, store, letters)
}

func findDead(ctx context.Context, store *redisstore.Store, cfg *config.Client, o DeadOptions) (out []conversation.DeadLetter, err error) {
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

package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

// Retry is `parley retry`: the dead letters chosen wait again as new messages, at the end of their conversations.
func Retry(ctx context.Context, env wire.Env, path string, o DeadOptions) error {
	return withStore(ctx, path, func(ctx context.Context, d *Desk) error { _, err := d.Retry(ctx, env, o); return err })
}

// Drop is `parley drop`: the dead letters chosen are forgotten.
func Drop(ctx context.Context, env wire.Env, path string, o DeadOptions) error {
	return withStore(ctx, path, func(ctx context.Context, d *Desk) error { _, err := d.Drop(ctx, env, o); return err })
}

// Retry puts the dead letters chosen back, and names those that were.
func (d *Desk) Retry(ctx context.Context, env wire.Env, o DeadOptions) (done []string, err error) {
	return d.exhume(ctx, env, o, exhumation{"retry", "put back, to be answered after what waits in their conversations", (*redisstore.Store).Retry})
}

// Drop forgets the dead letters chosen, and names those that it forgot.
func (d *Desk) Drop(ctx context.Context, env wire.Env, o DeadOptions) (done []string, err error) {
	return d.exhume(ctx, env, o, exhumation{"drop", "dropped", (*redisstore.Store).Drop})
}

type exhumation struct {
	action, said string
	step         func(*redisstore.Store, context.Context, []conversation.DeadID) ([]conversation.DeadID, error)
}

// exhume does one step with the dead letters chosen, says what was done, and fails if one that was named is none.
func (d *Desk) exhume(ctx context.Context, env wire.Env, o DeadOptions, e exhumation) (names []string, err error) {
	letters, err := d.findDead(ctx, o)
	if err != nil {
		return nil, err
	}
	var ids []conversation.DeadID
	var chosen []string
	for _, l := range letters {
		ids, chosen = append(ids, l.ID), append(chosen, l.ID.String())
	}
	if ahead(env) {
		if err := d.recordDead(ctx, env, e.action, o.Reason, chosen); err != nil {
			return nil, unrecorded(err)
		}
	}
	done, err := e.step(d.store, ctx, ids)
	names = []string{}
	for _, id := range done {
		names = append(names, id.String())
	}
	if len(done) > 0 {
		fmt.Fprintf(env.Stdout, "%d %s: %s\n", len(done), e.said, strings.Join(names, " "))
	}
	if len(done) > 0 && !ahead(env) {
		if err := d.recordDead(ctx, env, e.action, o.Reason, names); err != nil {
			fmt.Fprintln(env.Stderr, "done, but not entered in the audit log:", wire.Reason(err))
		}
	}
	if err != nil {
		return names, fmt.Errorf("%s, after %d of %d: %w", e.action, len(done), len(ids), err)
	}
	var missing []string
	for _, id := range o.IDs {
		if !slices.Contains(names, id) && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	switch {
	case len(missing) > 0:
		return names, fmt.Errorf("not found, or not what --older and --for ask for: %s (see `parley dead`)", strings.Join(missing, " "))
	case len(done) == 0:
		fmt.Fprintln(env.Stdout, "no dead letter fits: nothing was changed")
	}
	return names, nil
}

// recordDead enters what is done with dead letters, so many an entry that the log's bound is kept.
func (d *Desk) recordDead(ctx context.Context, env wire.Env, action, reason string, names []string) error {
	for some := range slices.Chunk(names, 100) {
		e := audit.Entry{Action: action, Object: "dead letters", Reason: reason, Details: map[string]string{"dead_letters": strings.Join(some, " ")}}
		if _, err := Record(ctx, env, d.store, d.cfg.Audit(), e, "dead_letters", some); err != nil {
			return err
		}
	}
	return nil
}

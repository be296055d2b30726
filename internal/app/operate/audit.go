package operate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/redisstore"
	"parley/internal/route"
)

// actor names who acts.
func actor(env wire.Env) string { return cmp.Or(env.By, operator()) }

// Record enters a deed of env's actor into the operators' log, and writes it to stderr as a line of JSON, with attrs for what the entry does not
// say. The line is written in any case: with Redis away it is the only record, and says so. A nil store: the configuration names no Redis.
func Record(ctx context.Context, env wire.Env, store *redisstore.Store, keep config.Audit, e audit.Entry, attrs ...any) (audit.Entry, error) {
	e.By, e.Via = actor(env), cmp.Or(env.Via, audit.ViaCommand)
	line := append([]any{"action", e.Action, "by", e.By, "via", e.Via, "reason", e.Reason}, attrs...)
	if e.Object != "" {
		line = append(line, "object", e.Object)
	}
	if e.Tenant != "" {
		line = append(line, "tenant", e.Tenant)
	}
	var err error
	if store != nil {
		var entered audit.Entry
		if entered, err = store.Record(ctx, audit.Operators, e, keep.Keep); err == nil {
			e = entered
			line = append(line, "seq", e.Seq, "hash", e.Hash)
		} else {
			line = append(line, "not_in_the_log", err.Error())
		}
	}
	slog.New(slog.NewJSONHandler(env.Stderr, nil)).Info("audit", line...)
	return e, err
}

// ahead reports whether a deed is entered before it is done, and not done if it cannot be. A console does so: it has the log at hand. A command must
// work in any trouble, and enters what it did.
func ahead(env wire.Env) bool { return env.Via == audit.ViaConsole }

// unrecorded says why a deed that is entered first was not done.
func unrecorded(err error) error {
	return fmt.Errorf("nothing was changed: the audit log cannot be written (the command line works nevertheless): %s", wire.Reason(err))
}

// recordFor is Record by a configuration; its error is told, and changes nothing: the deed is done.
func recordFor(ctx context.Context, env wire.Env, cfg config.Either, e audit.Entry, attrs ...any) {
	d := &Desk{cfg: cfg}
	if r := cfg.Redis(); r != nil {
		d.store, d.noStore = wire.OpenStore(*r)
		defer d.Close()
	}
	recordAfter(ctx, env, d, e, attrs...)
}

// recordAfter is Record of a deed that is done: its error is told, and changes nothing.
func recordAfter(ctx context.Context, env wire.Env, d *Desk, e audit.Entry, attrs ...any) {
	if _, err := Record(ctx, env, d.store, d.cfg.Audit(), e, attrs...); err != nil {
		fmt.Fprintln(env.Stderr, "done, but not entered in the audit log:", wire.Reason(err))
	}
}

// edit is a change of the switches, as it is published and entered.
type edit struct {
	action       string
	old, content []byte
	switches     []*route.Switch
	reason       string
	forced       []Objection
}

// publish publishes an edit and enters it, in the order that ahead tells; it returns the new revision.
func (c *change) publish(ctx context.Context, e edit) (string, error) {
	entry, attrs := e.entry()
	if ahead(c.env) {
		if _, err := Record(ctx, c.env, c.desk.store, c.cfg.Audit(), entry, attrs...); err != nil {
			return "", unrecorded(err)
		}
	}
	err := c.board.publish(ctx, wire.DegradationDocument, e.content, e.old)
	switch {
	case err != nil && ahead(c.env):
		entry.Details["failed"] = wire.Reason(err)
		recordAfter(ctx, c.env, c.desk, entry, attrs...)
		return "", err
	case err != nil:
		return "", err
	case !ahead(c.env):
		recordAfter(ctx, c.env, c.desk, entry, attrs...)
	}
	return liveconfig.Revision(e.content), nil
}

// entry says who changed which switches, how, why and when. Servers write the same to their logs, whoever edited the document.
func (e edit) entry() (audit.Entry, []any) {
	details := map[string]string{"was": revisionOf(e.old), "revision": liveconfig.Revision(e.content)}
	attrs := []any{"document", wire.DegradationDocument, "was", details["was"], "revision", details["revision"], "forced", len(e.forced) > 0}
	if len(e.forced) > 0 {
		var against []string
		for _, o := range e.forced {
			against = append(against, o.What)
		}
		attrs = append(attrs, "objections", against)
		details["forced_in_spite_of"] = strings.Join(against, "; ")
	}
	ids := make([]string, 0, len(e.switches))
	var groups []any
	for _, s := range e.switches {
		if s == nil {
			continue
		}
		ids = append(ids, s.ID)
		groups = append(groups, slog.Group(s.ID, wire.SwitchAttrs(s)...))
		if s.Active {
			details["to"] = s.To
		}
	}
	details["switches"] = strings.Join(ids, " ")
	attrs = append(attrs, "ids", ids, slog.Group("switches", groups...))
	return audit.Entry{Action: e.action, Object: wire.DegradationDocument, Reason: e.reason, Details: details}, attrs
}

func revisionOf(content []byte) string {
	if content == nil {
		return ""
	}
	return liveconfig.Revision(content)
}

package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/redisstore"
)

// AuditOptions choose what `parley audit` shows.
type AuditOptions struct {
	Tenant string        // the log of this tenant's people; empty: the operators'
	Since  time.Duration // only entries so young; 0: all
	Anchor string        // SEQ:HASH, an entry's hash as it was written elsewhere when the entry was made
}

// AuditLog is a log as it was read, oldest first, and where it is not as it was written.
type AuditLog struct {
	Entries  []audit.Entry   `json:"entries"`
	Findings []audit.Finding `json:"findings"`
}

// errTampered says that a log is not as it was written.
var errTampered = errors.New("the log is not as it was written: see above; its entries also stand, with their hashes, in the logs of whoever wrote them")

// Audit is `parley audit`: it prints a log and fails if the chain of it is broken. It is verified whole, whatever is shown.
func Audit(ctx context.Context, env wire.Env, path string, o AuditOptions, asJSON bool) error {
	var log AuditLog
	err := withStore(ctx, path, func(ctx context.Context, d *Desk) (err error) {
		log, err = d.Audit(ctx, o)
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		for _, e := range log.Entries {
			if err := json.NewEncoder(env.Stdout).Encode(e); err != nil {
				return err
			}
		}
	} else {
		printAudit(env.Stdout, log.Entries, time.Now())
	}
	for _, f := range log.Findings {
		fmt.Fprintf(env.Stderr, "entry %d: %s\n", f.Seq, f.What)
	}
	if len(log.Findings) > 0 {
		return errTampered
	}
	return nil
}

// Audit reads and verifies a whole log, and returns of its entries those that the options ask for.
func (d *Desk) Audit(ctx context.Context, o AuditOptions) (AuditLog, error) {
	store, err := d.keeps(ctx)
	if err != nil {
		return AuditLog{}, err
	}
	log, err := ReadAudit(ctx, store, d.cfg.Audit(), o)
	return log, d.redis(err)
}

// ReadAudit reads and verifies a whole log, and returns of its entries those that the options ask for.
func ReadAudit(ctx context.Context, store *redisstore.Store, keep config.Audit, o AuditOptions) (AuditLog, error) {
	var all []audit.Entry
	for before := int64(0); ; {
		page, err := store.Audit(ctx, o.Tenant, before, 500)
		if err != nil {
			return AuditLog{}, err
		}
		if len(page) == 0 {
			break
		}
		all, before = append(all, page...), page[len(page)-1].Seq
	}
	slices.Reverse(all)
	now := time.Now()
	log := AuditLog{Entries: []audit.Entry{}, Findings: audit.Verify(all, keep.Keep, now)}
	if o.Anchor != "" {
		log.Findings = append(log.Findings, anchored(all, o.Anchor)...)
	}
	for _, e := range all {
		if o.Since == 0 || now.Sub(e.At) <= o.Since {
			log.Entries = append(log.Entries, e)
		}
	}
	return log, nil
}

// Check says what is wrong with the options by themselves.
func (o AuditOptions) Check() error {
	var errs []error
	if o.Tenant != "" && !chat.ValidName(o.Tenant) {
		errs = append(errs, fmt.Errorf("--tenant %q is no tenant's name: they are of a-z, 0-9 and -", o.Tenant))
	}
	if o.Since < 0 {
		errs = append(errs, errors.New("--since must be a time that has passed, like 24h"))
	}
	if _, _, err := parseAnchor(o.Anchor); o.Anchor != "" && err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func parseAnchor(s string) (seq int64, hash string, err error) {
	n, hash, _ := strings.Cut(s, ":")
	seq, err = strconv.ParseInt(n, 10, 64)
	if err != nil || len(hash) != 64 {
		return 0, "", fmt.Errorf("--anchor %q is not SEQ:HASH, as seq and hash of an audit line in a log", s)
	}
	return seq, hash, nil
}

// anchored compares an entry with its hash as it is known from elsewhere.
func anchored(all []audit.Entry, anchor string) []audit.Finding {
	seq, hash, err := parseAnchor(anchor)
	if err != nil {
		return []audit.Finding{{What: err.Error()}}
	}
	at := slices.IndexFunc(all, func(e audit.Entry) bool { return e.Seq == seq })
	switch {
	case at < 0:
		return []audit.Finding{{Seq: seq, What: "the entry that --anchor names is gone"}}
	case all[at].Hash != hash:
		return []audit.Finding{{Seq: seq, What: "its hash is not that of --anchor: the log was written anew from here or before"}}
	}
	return nil
}

func printAudit(w io.Writer, entries []audit.Entry, now time.Time) {
	if len(entries) == 0 {
		fmt.Fprintln(w, "no entries")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SEQ\tAT\tBY\tVIA\tACTION\tOBJECT\tDETAILS\tREASON")
	for _, e := range entries {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, moment(e.At, now), cmp.Or(e.By, "-"), cmp.Or(e.Via, "-"), e.Action, cmp.Or(e.Object, "-"), cmp.Or(detailsOf(e), "-"), cmp.Or(e.Reason, "-"))
	}
	_ = t.Flush()
}

func detailsOf(e audit.Entry) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(e.Details)) {
		if v := e.Details[k]; v != "" {
			out = append(out, k+"="+v)
		}
	}
	return strings.Join(out, " ")
}

package operate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

// RecordsOptions are the flags of `parley usage export`.
type RecordsOptions struct {
	Tenants []string // none: the configuration's, and those of living clients
	State   string   // the file that says how far the export has come
	Follow  bool     // go on, until ctx ends
}

// Check says what is wrong with the options by themselves.
func (o RecordsOptions) Check() error {
	var errs []error
	if o.State == "" {
		errs = append(errs, errors.New("--state FILE is missing: it keeps how far the export has come, so that the next one goes on there"))
	}
	for _, t := range o.Tenants {
		if !chat.ValidName(t) {
			errs = append(errs, fmt.Errorf("--tenant %q is no tenant's name: they are of a-z, 0-9 and -", t))
		}
	}
	return errors.Join(errs...)
}

// followEvery is how often the export looks for more.
const followEvery = time.Second

// ExportRecords is `parley usage export`: it writes the records of usage as lines of JSON, each at least once over all runs with the same state file. The
// state is written after the lines, so that a run which is killed repeats its last ones; their ids are the same.
func ExportRecords(ctx context.Context, env wire.Env, path string, o RecordsOptions) error {
	return withDesk(path, func(d *Desk) error {
		e := &recordsExport{RecordsOptions: o, desk: d, out: bufio.NewWriter(env.Stdout)}
		if err := e.load(); err != nil {
			return err
		}
		return e.run(ctx, env)
	})
}

func (e *recordsExport) run(ctx context.Context, env wire.Env) error {
	for {
		wrote, err := e.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && e.Follow && chat.KindOf(err) != chat.Internal && e.reading: // Redis comes back; what cannot be written or read does not
			fmt.Fprintln(env.Stderr, wire.Reason(err))
		case err != nil:
			return err
		case !e.Follow:
			return nil
		case wrote:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// recordsExport is one run.
type recordsExport struct {
	RecordsOptions
	desk    *Desk
	out     *bufio.Writer
	came    map[string]string // how far, by shard
	reading bool              // Redis is asked, nothing is written
	begun   bool              // something was written
}

func (e *recordsExport) load() error {
	e.came = map[string]string{}
	raw, err := os.ReadFile(e.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--state: %w", err)
	}
	if err := json.Unmarshal(raw, &e.came); err != nil {
		return fmt.Errorf("--state: %s is not what an export wrote (%w); remove it to begin with the oldest records", e.State, err)
	}
	return nil
}

// save makes the state durable, whole or not at all.
func (e *recordsExport) save() error {
	raw, err := json.Marshal(e.came)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(e.State+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return os.Rename(e.State+".new", e.State)
}

// round writes some of what there is of every shard.
func (e *recordsExport) round(ctx context.Context) (wrote bool, err error) {
	e.reading = true
	store, err := e.desk.keeps(ctx)
	if err != nil {
		return false, err
	}
	tenants := e.Tenants
	if len(tenants) == 0 {
		docs, err := store.Clients(ctx)
		if err != nil {
			return false, e.desk.redis(err)
		}
		tenants = tenantsOf(e.desk.cfg, decodeClients(docs))
	}
	for _, t := range tenants {
		for i := range conversation.Shards {
			some, err := e.shard(ctx, store, conversation.Shard{Tenant: t, Index: i})
			wrote = wrote || some
			if err != nil {
				return wrote, err
			}
		}
	}
	return wrote, nil
}

// shard writes a batch of one shard's records, and then how far it came.
func (e *recordsExport) shard(ctx context.Context, store *redisstore.Store, s conversation.Shard) (bool, error) {
	name := fmt.Sprintf("%s:%02d", s.Tenant, s.Index)
	list, last, err := store.Records(ctx, s, e.came[name], 500)
	if err != nil {
		return false, e.desk.redis(err)
	}
	if len(list) == 0 {
		return false, nil
	}
	e.reading = false
	defer func() { e.reading = true }()
	if !e.begun { // a run that was killed may have left half a line, which this one's first must not be glued to
		e.begun = true
		if err := e.out.WriteByte('\n'); err != nil {
			return true, err
		}
	}
	lines := json.NewEncoder(e.out)
	for _, r := range list {
		if err := lines.Encode(r); err != nil {
			return true, err
		}
	}
	if err := e.out.Flush(); err != nil {
		return true, err
	}
	e.came[name] = last
	return true, e.save()
}

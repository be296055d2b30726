package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"parley/internal/config"
	"parley/internal/redisstore"
	"parley/internal/rpc"
)

// statusReport is `parley status --json`.
type statusReport struct {
	Servers  []serverReport  `json:"servers"`
	Switches *switchesReport `json:"degradation,omitempty"`
	Clients  []clientState   `json:"clients,omitempty"`
	Tenants  []tenantReport  `json:"tenants,omitempty"`
}

type tenantReport struct {
	Tenant  string  `json:"tenant"`
	Waiting int     `json:"waiting"`
	Running int     `json:"running"`
	Ready   int     `json:"ready"`
	Oldest  float64 `json:"oldest_seconds"`
	Dead    int     `json:"dead_letters"`

	Usage usageReport `json:"usage_today"`
}

// Status is `parley status`: servers from the registry, each asked what it runs; the switches as they are published; with a client.yaml also
// the clients that heartbeat in Redis and what waits there. What cannot be asked is an error, after all that can be was printed.
func Status(ctx context.Context, env Env, path string, asJSON bool) error {
	secrets := secretsOf(nil)
	cfg, err := config.Load(path, config.Options{Secrets: secrets.static})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var report statusReport
	var errs []error
	if report.Servers, err = askServers(ctx, cfg); err != nil {
		errs = append(errs, err)
	}
	if report.Switches, err = askSwitches(ctx, cfg); err != nil {
		errs = append(errs, err)
	}
	if cfg.Client != nil {
		if report.Clients, report.Tenants, err = askRedis(ctx, cfg.Client); err != nil {
			errs = append(errs, err)
		}
	}
	if asJSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		errs = append(errs, enc.Encode(report))
	} else {
		errs = append(errs, report.print(env.Stdout))
	}
	return errors.Join(errs...)
}

func askRedis(ctx context.Context, cfg *config.Client) ([]clientState, []tenantReport, error) {
	store, err := openStore(cfg.Redis)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = store.Close() }()
	docs, err := store.Clients(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("redis: %w", err)
	}
	var clients []clientState
	names := slices.Clone(cfg.Tenants)
	for _, doc := range docs {
		var c clientState
		if json.Unmarshal(doc, &c) != nil {
			continue // a newer release's form
		}
		clients = append(clients, c)
		names = append(names, c.Tenants...)
	}
	slices.SortFunc(clients, func(a, b clientState) int { return cmp.Compare(a.ID, b.ID) })
	slices.Sort(names)
	tenants, err := askTenants(ctx, store, slices.Compact(names))
	return clients, tenants, err
}

func askTenants(ctx context.Context, store *redisstore.Store, names []string) ([]tenantReport, error) {
	var out []tenantReport
	for _, name := range names {
		st, err := store.Stats(ctx, name)
		if err != nil {
			return out, fmt.Errorf("redis: %w", err)
		}
		usage, err := askUsage(ctx, store, name, time.Now())
		if err != nil {
			return out, err
		}
		out = append(out, tenantReport{name, st.Waiting, st.Running, st.Ready, st.Oldest.Seconds(), st.Dead, usage})
	}
	return out, nil
}

func (r statusReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	now := time.Now()
	fmt.Fprintf(t, "SERVER\tSTATE\tWEIGHT\tSTREAMS\tVERSION\tDOCUMENTS\n")
	for _, s := range r.Servers {
		fmt.Fprintf(t, "%s\t%s\t%g\t%d/%d\t%s\t%s\n", s.Address, s.state(), s.Weight, s.Streams, s.StreamLimit, s.Version, documentsLine(s.Documents, now))
	}
	if len(r.Servers) == 0 {
		fmt.Fprintf(t, "(none is registered)\n")
	}
	r.printProviders(t)
	r.printSwitches(t)
	if r.Tenants != nil || r.Clients != nil {
		fmt.Fprintf(t, "\nCLIENT\tTURNS\tSERVERS\tTENANTS\tVERSION\tDOCUMENTS\n")
		for _, c := range r.Clients {
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\n", c.ID, c.Turns, c.Servers, joinSome(c.Tenants), c.Version, documentsLine(c.Documents, now))
		}
		if len(r.Clients) == 0 {
			fmt.Fprintf(t, "(none has a heartbeat)\n")
		}
		fmt.Fprintf(t, "\nTENANT\tWAITING\tRUNNING\tREADY\tOLDEST\tDEAD LETTERS\n")
		for _, s := range r.Tenants {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1fs\t%d\n", s.Tenant, s.Waiting, s.Running, s.Ready, s.Oldest, s.Dead)
		}
		printUsage(t, r.Tenants)
	}
	r.printRefused(t)
	return t.Flush()
}

func (s serverReport) state() string {
	switch {
	case s.Error != "":
		return "no answer"
	case s.Draining:
		return "draining"
	case !s.Enabled:
		return "disabled"
	default:
		return "up"
	}
}

func documentsLine(docs []rpc.Document, now time.Time) string {
	line := ""
	for _, d := range docs {
		if line != "" {
			line += "  "
		}
		line += d.Name + "@" + cmp.Or(d.Revision, "-")
		if d.Refused != "" {
			line += "(newest refused)"
		}
		if d.Since > 0 && d.Revision != "" {
			line += " since " + moment(time.UnixMilli(d.Since), now)
		}
	}
	return line
}

// moment is a time as short as it is clear: today's without the day.
func moment(t, now time.Time) string {
	if t, now = t.Local(), now.Local(); t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Local().Format("2006-01-02T15:04")
}

func joinSome(names []string) string {
	const most = 4
	line := ""
	for i, n := range names {
		if i == most {
			return fmt.Sprintf("%s,… (%d)", line, len(names))
		}
		if i > 0 {
			line += ","
		}
		line += n
	}
	return line
}

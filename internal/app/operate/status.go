package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/rpc"
)

// StatusReport is `parley status --json`.
type StatusReport struct {
	Servers  []serverReport     `json:"servers"` // null: not known
	Switches *switchesReport    `json:"degradation,omitempty"`
	Clients  []wire.ClientState `json:"clients,omitempty"`
	Tenants  []tenantReport     `json:"tenants,omitempty"`
	Unknown  unknownReport      `json:"not_known"`

	asked bool // Redis was: without, nobody knows of clients
}

// unknownReport says why a part of the report is missing; empty: it is not.
type unknownReport struct {
	Servers  string `json:"servers,omitempty"`
	Switches string `json:"degradation,omitempty"`
	Redis    string `json:"clients,omitempty"` // and tenants
}

type tenantReport struct {
	Tenant  string  `json:"tenant"`
	Waiting int     `json:"waiting"`
	Running int     `json:"running"`
	Ready   int     `json:"ready"`
	Oldest  float64 `json:"oldest_seconds"` // of those that are ready
	Dead    int     `json:"dead_letters"`
	Ended   int     `json:"forgotten_unanswered"` // ever

	Usage usageReport `json:"usage_today"`

	Postponed int `json:"postponed"` // conversations whose reply waits for its next try

	Misfits []string `json:"misfits,omitempty"` // what of its document does not fit parley-routes, though it is in force
}

// Status is `parley status`: servers from the registry, each asked what it runs; the switches as they are published; with a client.yaml also
// the clients that heartbeat in Redis and what waits there. All are asked at once, each within its own bound: what cannot be asked is named as
// not known, and an error after all that can be was printed.
func Status(ctx context.Context, env wire.Env, path string, asJSON bool) error {
	secrets := wire.NewSecrets(nil)
	cfg, err := config.Load(path, config.Options{Secrets: secrets.Static})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	desk := OpenDesk(cfg)
	defer desk.Close()
	report, err := desk.Status(ctx)
	if asJSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		return errors.Join(err, enc.Encode(report))
	}
	return errors.Join(err, report.print(env.Stdout))
}

func (r StatusReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	now := time.Now()
	fmt.Fprintf(t, "SERVER\tSTATE\tWEIGHT\tSTREAMS\tVERSION\tDOCUMENTS\n")
	for _, s := range r.Servers {
		fmt.Fprintf(t, "%s\t%s\t%g\t%d/%d\t%s\t%s\n", s.Address, s.state(), s.Weight, s.Streams, s.StreamLimit, s.Version, documentsLine(s.Documents, now))
	}
	switch {
	case r.Unknown.Servers != "":
		fmt.Fprintf(t, "(not known: %s)\n", r.Unknown.Servers)
	case len(r.Servers) == 0:
		fmt.Fprintf(t, "(none is registered)\n")
	}
	for _, s := range r.Servers {
		if s.Error != "" {
			fmt.Fprintf(t, "%s does not answer: %s\n", s.Address, s.Error)
		}
	}
	r.printProviders(t, now)
	r.printSwitches(t)
	if r.Tenants != nil || r.Clients != nil || r.Unknown.Redis != "" {
		fmt.Fprintf(t, "\nCLIENT\tTURNS\tSERVERS\tTENANTS\tVERSION\tDOCUMENTS\n")
		for _, c := range r.Clients {
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\n", c.ID, c.Turns, c.Servers, joinSome(c.Tenants), c.Version, documentsLine(c.Documents, now))
		}
		switch {
		case r.Unknown.Redis != "":
			fmt.Fprintf(t, "(not known: %s)\n", r.Unknown.Redis)
		case len(r.Clients) == 0:
			fmt.Fprintf(t, "(none has a heartbeat)\n")
		}
		for _, c := range r.Clients {
			for _, s := range c.LeftOut {
				fmt.Fprintf(t, "%s leaves out the server %s\n", c.ID, s)
			}
		}
		fmt.Fprintf(t, "\nTENANT\tWAITING\tRUNNING\tREADY\tOLDEST READY\tPOSTPONED\tDEAD LETTERS\n")
		for _, s := range r.Tenants {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1fs\t%d\t%d\n", s.Tenant, s.Waiting, s.Running, s.Ready, s.Oldest, s.Postponed, s.Dead)
		}
		printEnded(t, r.Tenants)
		printUsage(t, r.Tenants)
	}
	r.printBlocked(t, now)
	r.printRefused(t)
	r.printMisfits(t)
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

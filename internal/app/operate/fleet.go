package operate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/rpc"
	"parley/internal/telemetry"
)

// serverReport is one server as the registry lists it and as it describes itself.
type serverReport struct {
	Address     string               `json:"address"`
	Weight      float64              `json:"weight"`
	Enabled     bool                 `json:"enabled"`
	Up          bool                 `json:"up"`
	Version     string               `json:"version,omitempty"`
	Streams     int                  `json:"streams"`
	StreamLimit int                  `json:"stream_limit"`
	Draining    bool                 `json:"draining,omitempty"`
	Documents   []rpc.Document       `json:"documents,omitempty"`
	Providers   []chat.ProviderState `json:"providers,omitempty"`
	Alone       string               `json:"counts_alone,omitempty"` // why it counts calls with keys by itself
	Protocol    int                  `json:"protocol,omitempty"`
	Needs       int                  `json:"protocol_needs,omitempty"` // the oldest protocol of clients that it takes
	Error       string               `json:"error,omitempty"`
}

// takesTurns reports whether client services send the server anything.
func (s serverReport) takesTurns() bool { return s.Enabled && s.Weight > 0 && !s.Draining }

// has reports whether the server has a revision of a document in force and nothing newer refused.
func (s serverReport) has(name, revision string) bool {
	d, ok := s.document(name)
	return ok && d.Revision == revision && d.Refused == ""
}

func (s serverReport) document(name string) (rpc.Document, bool) {
	for _, d := range s.Documents {
		if d.Name == name {
			return d, true
		}
	}
	return rpc.Document{}, false
}

// provider is how the server stands with a provider; known is false if it tells nothing of any provider (an older release).
func (s serverReport) provider(name string) (state *chat.ProviderState, known bool) {
	for i, p := range s.Providers {
		if p.Name == name {
			return &s.Providers[i], true
		}
	}
	return nil, len(s.Providers) > 0
}

// fleet is an operator's view of the servers.
type fleet struct{ client *rpc.Client }

// connectFleet begins to look for servers, and waits for nothing. Close it.
func connectFleet(cfg config.Either) (*fleet, error) {
	o := rpc.ClientOptions{Registry: wire.Registry(cfg.Registry()), Telemetry: telemetry.Discard()}
	o.TLS, o.Insecure = wire.TLS(cfg.RPC().TLS), cfg.RPC().Insecure
	c, err := rpc.Dial(o)
	if err != nil {
		return nil, err
	}
	return &fleet{c}, nil
}

// ready waits for the registry's list.
func (f *fleet) ready(ctx context.Context, cfg config.Either) error {
	select {
	case <-f.client.Ready():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		if err := refusal(ctx, cfg); err != nil {
			return fmt.Errorf("the registry: %s", wire.Reason(err))
		}
		return fmt.Errorf("the registry, Nacos at %s, did not answer within %v: start it, or mend registry.nacos (addrs, username, password)",
			strings.Join(cfg.Registry().Nacos.Addrs, ", "), patience)
	}
}

// refusal asks Nacos whether it refuses this login, which the registry's client does not tell; nil: no, or nobody knows.
func refusal(ctx context.Context, cfg config.Either) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	src, closer, err := wire.OpenSource(config.Live{Source: config.SourceNacos}, cfg.Registry(), telemetry.Discard())
	if err != nil {
		return nil //nolint:nilerr // what the options lack was said when the registry was opened
	}
	defer func() { _ = closer.Close() }()
	if _, _, err := src.Get(ctx, wire.RoutesDocument); refused(err) {
		return err
	}
	return nil
}

func (f *fleet) close() { _ = f.client.Close() }

// ask asks every registered server, all at once, by address.
func (f *fleet) ask(ctx context.Context) []serverReport {
	instances := f.client.Servers()
	reports := make([]serverReport, len(instances))
	var wg sync.WaitGroup
	for i, in := range instances {
		wg.Go(func() { reports[i] = f.askOne(ctx, in) })
	}
	wg.Wait()
	return reports
}

func (f *fleet) askOne(ctx context.Context, in rpc.Instance) serverReport {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := serverReport{Address: in.Address, Weight: in.Weight, Enabled: in.Enabled}
	st, err := f.client.Inspect(ctx, in.Address)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Up, r.Version, r.Streams, r.StreamLimit, r.Draining = true, st.Version, st.Streams, st.StreamLimit, st.Draining
	r.Documents, r.Providers, r.Alone, r.Protocol, r.Needs = st.Documents, st.Providers, st.Alone, st.Protocol, st.Needs
	return r
}

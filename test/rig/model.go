package rig

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"parley/internal/sim/llm"
	"parley/test/realdeps"
)

// Model is one vendor's simulated API in a process of its own. Its answers are ledger.Answer's, signed by the vendor.
type Model struct {
	*Process
	Origin string // http://host:port
	Debug  string // pprof
	Vendor llm.Vendor

	rig  *Rig
	addr string
	opt  ModelOptions
}

// ModelOptions say what a simulated API is to be; see [llm.Options].
type ModelOptions struct {
	Name   string // of the process; default llmsim
	Vendor llm.Vendor
	Pace   llm.Pace
	Keys   []string
	Limits llm.Limits // of every key
	Window int
	Chars  int // of each answer, at least
	Long   int // every so many-th question of a person gets an answer of several parts; 0: none
	// Deadlines are those of the routes, as in their document. Default: Parley's own.
	Deadlines string
}

// BaseURL is what a provider's base_url must be.
func (m *Model) BaseURL() string { return m.Origin + m.Vendor.Path() }

// StartModel starts an API of OpenAI's at the given pace and publishes routes that lead to it over h2c.
func (r *Rig) StartModel(ctx context.Context, pace llm.Pace) (*Model, error) {
	return r.StartModelOf(ctx, ModelOptions{Pace: pace})
}

// StartModelOf is StartModel for an API with further options.
func (r *Rig) StartModelOf(ctx context.Context, o ModelOptions) (*Model, error) {
	m, err := r.RunModel(ctx, o)
	if err != nil {
		return nil, err
	}
	return m, r.Publish(ctx, "parley-routes", fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}
models:
  chat: [openai/gpt-4o-mini]
deadlines: {%s}
`, m.BaseURL(), o.Deadlines))
}

// RunModel starts a simulated API. It publishes nothing.
func (r *Rig) RunModel(ctx context.Context, o ModelOptions) (*Model, error) {
	addr, err := realdeps.FreeAddr()
	if err != nil {
		return nil, err
	}
	debug, err := realdeps.FreeAddr()
	if err != nil {
		return nil, err
	}
	m := &Model{Origin: "http://" + addr, Debug: debug, Vendor: cmp.Or(o.Vendor, llm.OpenAI), rig: r, addr: addr, opt: o}
	return m, m.start(ctx)
}

func (m *Model) start(ctx context.Context) (err error) {
	o := m.opt
	if m.Process, err = m.rig.spawn(cmp.Or(o.Name, "llmsim"), nil, m.rig.llmsim, "-listen", m.addr, "-debug", m.Debug, "-vendor", string(m.Vendor),
		"-keys", strings.Join(o.Keys, ","), "-window", fmt.Sprint(o.Window), "-long", fmt.Sprint(o.Long), "-chars", fmt.Sprint(o.Chars)); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := m.waitFor(ready, "ready", func(ctx context.Context) error { _, err := m.Stats(ctx); return err }); err != nil {
		return err
	}
	if err := m.SetLimits(ctx, llm.LimitTable{Default: o.Limits}); err != nil {
		return err
	}
	return m.SetPace(ctx, o.Pace)
}

// Restart starts a model that has ended again, on the same address and as it was started first. Its ledger begins anew.
func (m *Model) Restart(ctx context.Context) (*Model, error) {
	again := &Model{Origin: m.Origin, Debug: m.Debug, Vendor: m.Vendor, rig: m.rig, addr: m.addr, opt: m.opt}
	return again, again.start(ctx)
}

// SetPace changes the pace of later answers.
func (m *Model) SetPace(ctx context.Context, p llm.Pace) error { return m.set(ctx, "pace", p) }

// SetLimits changes the keys' limits for later calls.
func (m *Model) SetLimits(ctx context.Context, t llm.LimitTable) error {
	return m.set(ctx, "limits", t)
}

// SetRules replaces the rules by which calls fail; none: all succeed.
func (m *Model) SetRules(ctx context.Context, rules ...llm.Rule) error {
	return m.set(ctx, "rules", append([]llm.Rule{}, rules...))
}

// Ledger gives every call since the start or the last Forget, oldest first. Its times are of this machine's clock.
func (m *Model) Ledger(ctx context.Context) (list []llm.Entry, err error) {
	err = m.read(ctx, "ledger", &list)
	return list, err
}

// Forget empties the ledger. What was counted stays counted.
func (m *Model) Forget(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, m.Origin+"/_sim/ledger", nil)
	if err != nil {
		return err
	}
	answer, err := do(req)
	if err != nil {
		return err
	}
	return answer.Close()
}

// Stats counts the requests so far.
func (m *Model) Stats(ctx context.Context) (s llm.Stats, err error) {
	err = m.read(ctx, "stats", &s)
	return s, err
}

// Keys sums up the calls of each key, by its fingerprint: how many there ever were at once, above all.
func (m *Model) Keys(ctx context.Context) (k map[string]llm.KeyStats, err error) {
	err = m.read(ctx, "keys", &k)
	return k, err
}

func (m *Model) set(ctx context.Context, what string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, m.Origin+"/_sim/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := do(req)
	if err != nil {
		return err
	}
	return answer.Close()
}

func (m *Model) read(ctx context.Context, what string, into any) error {
	body, err := get(ctx, m.Origin+"/_sim/"+what)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(into)
}

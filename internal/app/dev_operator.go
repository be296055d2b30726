package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"parley/internal/app/dev"
	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/conversation"
	"parley/internal/route"
	"parley/internal/sim/llm"
)

// witness is the client service's way to the servers; it tells who answered.
type witness struct {
	conversation.Completer
	tell func(dev.Answer)
}

// Complete implements conversation.Completer.
func (w witness) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	began := time.Now()
	reply, err := w.Completer.Complete(ctx, req, emit)
	a := dev.Answer{At: time.Now(), Turn: req.Turn, Question: req.Question, Took: float64(time.Since(began).Microseconds()) / 1000}
	if err != nil {
		a.Error = chat.KindOf(err).String()
	} else {
		a.Text, a.Provider, a.Model, a.Degraded, a.Fallback = reply.Text, reply.Provider, reply.Model, reply.Degraded, reply.Fallback
	}
	w.tell(a)
	return reply, err
}

// devOperator is the switch in the page of `parley dev`. It changes the embedded documents by what the commands run, and only shows
// others.
type devOperator struct {
	run *devRun
	cfg config.Either
	one sync.Mutex // changes wait for each other

	mu     sync.Mutex
	broken map[string]bool
}

// connectOperator gives the page its switch, and the terminal a file for the same one.
func (d *devRun) connectOperator(cfg *config.Client) error {
	d.pages.Operate(&devOperator{run: d, cfg: config.Either{Client: cfg}, broken: map[string]bool{}})
	if d.opt.Config != "" {
		return nil
	}
	content := fmt.Sprintf("# The embedded services of a running `parley dev`, for parley degrade, restore and status.\n"+
		"redis: {addrs: [%q]}\nregistry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\ntenants: [%s]\n",
		d.redis.Addr(), d.server.rpc.Addr(), d.dir, devTenant)
	return os.WriteFile(d.commandConfig(), []byte(content), 0o600)
}

// commandConfig is what the operator's commands are told after --config.
func (d *devRun) commandConfig() string {
	if d.opt.Config != "" {
		return d.opt.Config
	}
	return filepath.Join(d.dir, "client.yaml")
}

func (o *devOperator) readOnly() bool { return o.run.opt.Config != "" }

// Degrade implements dev.Operator.
func (o *devOperator) Degrade(ctx context.Context, to, reason string) (dev.Act, error) {
	return o.act(func(env wire.Env) error {
		return operate.DegradeWith(ctx, env, o.cfg, operate.DegradeOptions{To: to, Reason: reason})
	})
}

// Restore implements dev.Operator.
func (o *devOperator) Restore(ctx context.Context, ramp time.Duration, reason string) (dev.Act, error) {
	return o.act(func(env wire.Env) error {
		return operate.RestoreWith(ctx, env, o.cfg, operate.RestoreOptions{Ramp: ramp, Reason: reason})
	})
}

// act runs a command and collects what it says. The audit record also goes where the command would write it.
func (o *devOperator) act(command func(wire.Env) error) (dev.Act, error) {
	if o.readOnly() {
		return dev.Act{}, dev.ErrReadOnly
	}
	clicked := time.Now()
	o.one.Lock()
	defer o.one.Unlock()
	var out, log bytes.Buffer
	err := command(wire.Env{Stdout: &out, Stderr: io.MultiWriter(&log, o.run.env.Stderr), Version: o.run.env.Version})
	a := dev.Act{Output: strings.Trim(out.String(), "\n"), Audit: auditLine(log.String())}
	h := o.run.server.degrade.Health()
	a.Revision = h.Revision
	if h.Since.After(clicked) {
		a.Took = float64(h.Since.Sub(clicked).Microseconds()) / 1000
	}
	return a, err
}

// auditLine finds the record among what a command writes to stderr.
func auditLine(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"msg":"audit"`) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// Break implements dev.Operator.
func (o *devOperator) Break(provider string, broken bool) error {
	if o.readOnly() {
		return dev.ErrReadOnly
	}
	v := o.run.vendor(provider)
	switch {
	case v == nil:
		return fmt.Errorf("there is no provider %q", provider)
	case v.sim == nil:
		return fmt.Errorf("%s is the real one here: only a simulated provider can be made to fail", v.Name)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken[provider] = broken
	var rules []llm.Rule
	if broken {
		rules = []llm.Rule{{Fault: llm.Fault{Kind: llm.FaultStatus}}}
	}
	v.sim.SetRules(rules)
	return nil
}

func (d *devRun) vendor(provider string) *devVendor {
	for _, v := range d.vendors {
		if v.provider == provider {
			return v
		}
	}
	return nil
}

// Standing implements dev.Operator.
func (o *devOperator) Standing() dev.Standing {
	d, now := o.run, time.Now()
	s := dev.Standing{ReadOnly: o.readOnly(), Config: d.commandConfig(), Models: []dev.Model{}, Routes: []dev.Route{}, Switches: []dev.Switch{}}
	h := d.server.degrade.Health()
	s.Document = dev.Document{Revision: h.Revision, Since: h.Since}
	if h.Refused != nil {
		s.Document.Refused = wire.Reason(h.Refused)
	}
	switches, _ := d.server.degrade.Get()
	if switches != nil {
		for i := range switches.Switches {
			if sw := &switches.Switches[i]; sw.InForce(now) {
				s.Switches = append(s.Switches, showSwitch(sw, now))
			}
		}
	}
	table, ok := d.server.routes.Get()
	if !ok {
		return s
	}
	for _, name := range d.client.tenants.Tenants() {
		t, ok := d.client.tenants.Tenant(name)
		if !ok {
			continue
		}
		for _, class := range d.client.tenants.Models(name) {
			p := table.Preview(route.Want{Tenant: name, Class: class, Allowed: t.Providers, Now: now}, switches, nil)
			s.Routes = append(s.Routes, dev.Route{Tenant: name, Class: class, Normal: append([]string{}, p.Before...), Now: append([]string{}, p.After...)})
		}
	}
	s.Models = o.models(s.Routes)
	return s
}

func showSwitch(s *route.Switch, now time.Time) dev.Switch {
	one := dev.Switch{ID: s.ID, To: s.To, Share: s.Share(now), By: s.By, Reason: s.Reason}
	if !s.Until.IsZero() {
		one.Until = &s.Until
	}
	return one
}

// models are those that the first route may lead to, and how the server stands with them.
func (o *devOperator) models(routes []dev.Route) []dev.Model {
	models := []dev.Model{}
	if len(routes) == 0 {
		return models
	}
	states := map[string]chat.ProviderState{}
	for _, st := range o.run.server.llm.Providers() {
		states[st.Name] = st
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, target := range routes[0].Normal {
		provider, model, _ := strings.Cut(target, "/")
		m := dev.Model{Provider: provider, Model: model, Name: provider, Broken: o.broken[provider]}
		if v := o.run.vendor(provider); v != nil {
			m.Name, m.Simulated, m.Key = v.Name, v.sim != nil, v.Key
		}
		st := states[provider]
		m.Avoided = st.Open
		m.Keyless = st.NeedsKey && st.Resting >= st.Keys
		models = append(models, m)
	}
	return models
}

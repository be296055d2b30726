package operate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/app/wire"
)

// How bad a trouble is.
const (
	Bad  = "bad"  // people wait or fail, or nobody knows
	Warn = "warn" // somebody should look at it
	Note = "note" // it is as an operator wanted it
)

// Trouble is one thing that is not as it should be. Its words are in Text; Code and What let a page say it in another language.
type Trouble struct {
	Level string `json:"level"`
	Code  string `json:"code"`
	What  string `json:"what"` // the server, tenant, document, …
	Text  string `json:"text"`
}

// oldestFine is how long a message may wait for a client service before that is a trouble.
const oldestFine = 10 * time.Second

// Troubles says what is wrong, the worst first; nothing: all is well.
func (r StatusReport) Troubles(now time.Time) []Trouble {
	v := &verdict{list: []Trouble{}}
	v.unknown(r)
	v.servers(r, now)
	v.documents(r)
	v.switches(r)
	v.clients(r, now)
	v.tenants(r)
	order := []string{Bad, Warn, Note}
	slices.SortStableFunc(v.list, func(a, b Trouble) int { return cmp.Compare(slices.Index(order, a.Level), slices.Index(order, b.Level)) })
	return v.list
}

type verdict struct{ list []Trouble }

func (v *verdict) add(level, code, what, format string, args ...any) {
	v.list = append(v.list, Trouble{level, code, what, fmt.Sprintf(format, args...)})
}

func (v *verdict) unknown(r StatusReport) {
	for _, u := range []struct{ code, what, text string }{
		{"unknown_servers", "registry", r.Unknown.Servers}, {"unknown_documents", wire.DegradationDocument, r.Unknown.Switches}, {"unknown_clients", "redis", r.Unknown.Redis},
	} {
		if u.text != "" {
			v.add(Bad, u.code, u.what, "%s", u.text)
		}
	}
}

func (v *verdict) servers(r StatusReport, now time.Time) {
	if r.Unknown.Servers == "" && len(r.Servers) == 0 {
		v.add(Bad, "no_server", "", "no server is registered: nothing answers")
	}
	taking := 0
	for _, s := range r.Servers {
		switch {
		case s.Error != "":
			v.add(Bad, "server_silent", s.Address, "%s", s.Error)
		case s.Draining:
			v.add(Note, "server_leaving", s.Address, "it leaves, with %d streams still running", s.Streams)
		case !s.takesTurns():
			v.add(Note, "server_drained", s.Address, "it gets no new turns; %d streams run", s.Streams)
		case s.StreamLimit > 0 && s.Streams*10 >= s.StreamLimit*9:
			v.add(Warn, "server_full", s.Address, "%d of %d streams", s.Streams, s.StreamLimit)
		}
		if s.Error == "" && s.takesTurns() {
			taking++
		}
		if s.Alone != "" {
			v.add(Warn, "server_alone", s.Address, "%s", s.Alone)
		}
		for _, p := range s.Providers {
			if text := trouble(p); text != "" {
				for _, k := range p.Rests {
					text += "; " + restText(k, now)
				}
				v.add(Warn, "provider", s.Address+" "+p.Name, "%s", text)
			}
		}
	}
	if len(r.Servers) > 0 && taking == 0 {
		v.add(Bad, "no_server_takes_turns", "", "every server is drained, leaves or does not answer")
	}
}

func (v *verdict) documents(r StatusReport) {
	who := map[[2]string][]string{}
	for _, s := range r.Servers {
		gatherRefused(who, s.Address, s.Documents)
	}
	for _, c := range r.Clients {
		gatherRefused(who, c.ID, c.Documents)
	}
	for _, key := range sortedKeys(who) {
		v.add(Warn, "document_refused", key[0], "not in force on %s: %s", joinSome(who[key]), key[1])
	}
	if g := r.groups(); len(g) > 1 && g[0].inForce != g[len(g)-1].inForce {
		v.add(Bad, "split", wire.DegradationDocument, "servers do not run the same switches")
	}
	for _, t := range r.Tenants {
		if len(t.Misfits) > 0 {
			v.add(Warn, "misfit", wire.TenantPrefix+t.Tenant, "%s", strings.Join(t.Misfits, "; "))
		}
	}
}

func (v *verdict) switches(r StatusReport) {
	if r.Switches == nil {
		return
	}
	for _, s := range r.Switches.Switches {
		level, text := Note, s.To+" "+s.scope()
		if len(s.Effect) == 0 && len(s.Futile) > 0 {
			level, text = Warn, "no effect: "+strings.Join(s.Futile, "; ")
		}
		v.add(level, "switch", s.ID, "%s", text)
	}
	for _, text := range append(r.Switches.Unknown, r.Switches.Over...) {
		v.add(Warn, "switch_names", wire.DegradationDocument, "%s", text)
	}
}

func (v *verdict) clients(r StatusReport, now time.Time) {
	if r.Unknown.Redis == "" && r.asked && len(r.Clients) == 0 {
		v.add(Bad, "no_client", "", "no client service has a heartbeat: nobody is answered")
	}
	for _, c := range r.Clients {
		if c.Servers == 0 {
			v.add(Bad, "client_sees_no_server", c.ID, "it sees no server that it could use")
		}
		for _, b := range c.Blocked {
			v.add(Bad, "channel_refuses", b.Tenant+"/"+b.Channel, "since %s (%s): %s", moment(b.Since, now), c.ID, b.Why)
		}
		for _, s := range c.LeftOut {
			v.add(Warn, "left_out", c.ID, "%s", s)
		}
	}
}

func (v *verdict) tenants(r StatusReport) {
	for _, t := range r.Tenants {
		if t.Ready > 0 && t.Oldest > oldestFine.Seconds() {
			v.add(Bad, "waiting", t.Tenant, "%d conversations wait for a client service, the oldest for %.0f s", t.Ready, t.Oldest)
		}
		if t.Postponed > 0 {
			v.add(Warn, "postponed", t.Tenant, "%d replies wait for their next try", t.Postponed)
		}
		if t.Dead > 0 {
			v.add(Warn, "dead", t.Tenant, "%d dead letters", t.Dead)
		}
		if b := t.Usage.Budget; b != nil && b.Cap > 0 && b.Spent*10 >= b.Cap*9 {
			v.add(Warn, "cap", t.Tenant, "%s tokens today", b)
		}
	}
}

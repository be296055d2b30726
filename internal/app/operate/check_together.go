package operate

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/route"
	"parley/internal/rpc"
)

// together finds what only several documents show, and returns it by file.
func (j *judge) together(now time.Time) map[string]config.Faults {
	all := map[string]config.Faults{}
	add := func(d config.Document, f config.Fault) {
		f.File, f.Line = d.File, config.LineOf(d.Content, f.Path)
		if !slices.Contains(all[d.File], f) {
			all[d.File] = append(all[d.File], f)
		}
	}
	for _, s := range j.switches {
		for i := range s.form.Switches {
			path := fmt.Sprintf("switches[%d]", i)
			if sw := s.form.Switches[i]; sw.Active && !sw.InForce(now) {
				j.warn(s.File, config.LineOf(s.Content, path+".until"), path+".until",
					fmt.Sprintf("switch %q is active, but over since %s: it changes nothing; move until, or restore it", sw.ID, sw.Until.Format(time.RFC3339)))
			}
			for _, r := range j.routes {
				j.leads(s, i, r, now, add)
			}
		}
	}
	j.certificates()
	j.hooks(add)
	for _, t := range j.tenants {
		for _, r := range j.routes {
			sure := wire.Misfits(r.table, t.tenant, false)
			for _, f := range wire.Misfits(r.table, t.tenant, j.live) {
				if j.forServers() || slices.Contains(sure, f) {
					add(t.Document, f)
				} else { // platform keys are set where servers run
					j.warn(t.File, config.LineOf(t.Content, f.Path), f.Path, f.What+", as far as this machine knows: no server.yaml is among the files")
				}
			}
		}
	}
	return all
}

// hooks finds moderation hooks at origins that a client service of theirs may not call.
func (j *judge) hooks(add func(config.Document, config.Fault)) {
	for _, t := range j.tenants {
		m := t.tenant.Moderation
		if m == nil || m.Hook == nil {
			continue
		}
		u, err := url.Parse(m.Hook.URL)
		if err != nil {
			continue // its own fault
		}
		for _, c := range j.clients {
			if len(c.Tenants) > 0 && !slices.Contains(c.Tenants, t.tenant.Name) {
				continue
			}
			if err := wire.HookAllowed(u.Scheme+"://"+u.Host, c.Moderation); err != nil {
				add(t.Document, config.Fault{Path: "moderation.hook.url", What: err.Error()})
			}
		}
	}
}

// leads judges where one switch leads. One that is not in force is a warning only: servers take it until somebody flips it.
func (j *judge) leads(s checkedSwitches, i int, r checkedRoutes, now time.Time, add func(config.Document, config.Fault)) {
	sw, path := s.form.Switches[i], fmt.Sprintf("switches[%d].to", i)
	inForce := sw.InForce(now)
	if sw.To == "" {
		return
	}
	sw.Active, sw.Until = true, time.Time{}
	err := (&route.Degradation{Switches: []route.Switch{sw}}).Check(r.table, now)
	if err == nil {
		return
	}
	what := plain(err)
	if inForce {
		add(s.Document, config.Fault{Path: path, What: what})
		return
	}
	j.warn(s.File, config.LineOf(s.Content, path), path, what+"; it is not in force, and would be refused if it were")
}

// certificates warns of tenants that a client's certificate does not name, as far as the certificate is on this machine.
func (j *judge) certificates() {
	for _, c := range j.clients {
		const path = "rpc.tls.cert"
		names, err := rpc.CertificateNames(c.RPC.TLS.Cert)
		if err != nil || names.All {
			continue // that it cannot be read is the client's own fault, where it must be readable
		}
		served := slices.Clone(c.Tenants)
		for _, t := range j.tenants {
			if len(c.Tenants) == 0 {
				served = append(served, t.tenant.Name)
			}
		}
		if len(served) == 0 {
			j.warn(c.file, 0, path, fmt.Sprintf("tenants: [] serves every tenant, but the certificate speaks for %s only; it needs the URI name %s",
				cmp.Or(strings.Join(names.Tenants, ", "), "nobody"), names.Miss("*")))
		}
		for _, tenant := range served {
			if uri := names.Miss(tenant); uri != "" {
				j.warn(c.file, 0, path, fmt.Sprintf("the certificate does not name tenant %s, so servers will refuse its turns; it needs the URI name %s", tenant, uri))
			}
		}
	}
}

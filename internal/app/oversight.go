package app

import (
	"log/slog"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/app/wire"
	"parley/internal/route"
	"parley/internal/rpc"
)

// oversight looks at a client service's tenants beside what else it knows: parley-routes and its own certificate. Each of these may be faultless
// alone and still fail every turn of a tenant, so it says so when it begins and when it ends, not with every turn. Safe for concurrent use.
type oversight struct {
	log     *slog.Logger
	tenants *directory
	cert    string // PEM file; empty: no TLS, nobody is judged

	mu     sync.Mutex
	misfit map[string]string // by tenant: what does not fit parley-routes
	unsaid map[string]string // by tenant: the URI name that the certificate lacks
}

func newOversight(log *slog.Logger, tenants *directory, cert string) *oversight {
	return &oversight{log: log, tenants: tenants, cert: cert, misfit: map[string]string{}, unsaid: map[string]string{}}
}

// watch looks at the tenants now, and whenever a document changes.
func (o *oversight) watch() {
	for _, name := range o.tenants.named {
		o.certificate(name)
	}
	o.tenants.companies.Subscribe(func(name string, _ *wire.Company) { o.tenant(name) })
	o.tenants.routes.Subscribe(func(*route.Table) {
		for _, name := range o.tenants.Tenants() {
			o.tenant(name)
		}
	})
}

// tenant looks at one tenant in the form in force.
func (o *oversight) tenant(name string) {
	o.certificate(name)
	o.mu.Lock() // also while it looks: of two that look at once the later must see what is newest
	defer o.mu.Unlock()
	routes, ok := o.tenants.routes.Get()
	t, known := o.tenants.Tenant(name)
	if !ok || !known {
		return
	}
	var all []string
	for _, f := range wire.Misfits(routes, t, false) {
		all = append(all, f.String())
	}
	now, was := strings.Join(all, "\n"), o.misfit[name]
	o.misfit[name] = now
	switch {
	case was == now:
	case now == "":
		o.log.Info("a tenant's document fits parley-routes again", "tenant", name)
	default:
		o.log.Error("a tenant's document does not fit parley-routes", "tenant", name, "faults", now)
	}
}

// certificate warns of a tenant that this process's certificate does not name: servers will refuse its turns one by one.
func (o *oversight) certificate(tenant string) {
	names, err := rpc.CertificateNames(o.cert)
	if err != nil {
		return // rpc.Dial refuses such a file, and keeps the form before a faulty renewal
	}
	uri := names.Miss(tenant)
	o.mu.Lock()
	was := o.unsaid[tenant]
	o.unsaid[tenant] = uri
	o.mu.Unlock()
	if uri != "" && was == "" {
		o.log.Warn("this client's certificate does not name a tenant: servers will refuse its turns", "tenant", tenant, "certificate", o.cert, "needs_uri", uri)
	}
}

// document is one document in /readyz.
type document struct {
	rpc.Document
	Misfit string `json:"misfit,omitempty"` // what of it does not fit parley-routes, though it is in force
}

// documents adds to documents what does not fit.
func (o *oversight) documents(docs []rpc.Document) []document {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]document, len(docs))
	for i, d := range docs {
		list[i].Document = d
		if name, ok := strings.CutPrefix(d.Name, wire.TenantPrefix); ok {
			list[i].Misfit = o.misfit[name]
		}
	}
	return list
}

func (*oversight) fits() *prometheus.Desc {
	return prometheus.NewDesc("parley_tenant_misfit", "1 for a tenant whose turns cannot succeed, by what does not fit it: routes, certificate; absent: nothing.",
		[]string{"tenant", "with"}, nil)
}

// Describe implements [prometheus.Collector].
func (o *oversight) Describe(ch chan<- *prometheus.Desc) { ch <- o.fits() }

// Collect implements [prometheus.Collector].
func (o *oversight) Collect(ch chan<- prometheus.Metric) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for with, faults := range map[string]map[string]string{"routes": o.misfit, "certificate": o.unsaid} {
		for tenant, fault := range faults {
			if fault != "" {
				ch <- prometheus.MustNewConstMetric(o.fits(), prometheus.GaugeValue, 1, tenant, with)
			}
		}
	}
}

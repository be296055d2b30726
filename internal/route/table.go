package route

import (
	"maps"
	"slices"
	"sort"
	"time"

	"parley/internal/chat"
)

// Table is one revision of parley-routes, compiled. It is immutable and safe for concurrent use.
type Table struct {
	revision  string
	providers map[string]*Provider
	windows   map[string]int
	vision    map[string]bool
	models    map[string][]target
	tenants   map[string]map[string][]target
	deadlines Deadlines
	warnings  []string
}

// Provider is one entry under `providers`. It is immutable.
type Provider struct {
	Name           string
	Dialect        string
	BaseURL        string // without a trailing slash; may end in ?api-version=…; empty for a dialect that calls nobody
	Auth           string // how the key is shown: one of the Auth constants
	AppID          string // Qianfan's application; may be empty
	PriorKnowledge bool   // speak HTTP/2 to a plain http address from the first byte
	Concurrency    int    // calls at once per key, over all servers; 0: no limit
	// Keys are the platform's keys that could be resolved. NeedsKey with no key: only tenants with a key of their own can use it.
	Keys       []chat.Secret
	NeedsKey   bool
	Unresolved int // references that gave no key; each has a warning
}

// Deadlines bound one turn. All are positive.
type Deadlines struct {
	Connect    time.Duration // to a provider's address, TLS included
	FirstToken time.Duration // from the call to the first text
	Idle       time.Duration // between two pieces of an answer
	Turn       time.Duration // the whole turn with its fallbacks
}

// target is one entry of a route: provider/model.
type target struct{ provider, model string }

func (t target) String() string { return t.provider + "/" + t.model }

// Revision names the document that the table was made from.
func (t *Table) Revision() string { return t.revision }

// Deadlines are the table's bounds.
func (t *Table) Deadlines() Deadlines { return t.deadlines }

// Warnings are what an operator should know about a valid document: keys that could not be resolved. Secrets do not occur in them.
func (t *Table) Warnings() []string { return slices.Clone(t.warnings) }

// Providers lists all providers by name.
func (t *Table) Providers() []*Provider {
	list := make([]*Provider, 0, len(t.providers))
	for _, p := range t.providers {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// Provider finds a provider by name; nil if there is none.
func (t *Table) Provider(name string) *Provider { return t.providers[name] }

// Models lists the model classes that a tenant may ask for, sorted; with an empty tenant those under `models`.
func (t *Table) Models(tenant string) []string {
	var list []string
	for class := range t.models {
		list = append(list, class)
	}
	for class := range t.tenants[tenant] {
		if t.models[class] == nil {
			list = append(list, class)
		}
	}
	sort.Strings(list)
	return list
}

// route is the list of targets of a tenant's class; nil if there is none.
func (t *Table) route(tenant, class string) []target {
	if own := t.tenants[tenant][class]; own != nil {
		return own
	}
	return t.models[class]
}

// Window is how many tokens a model takes, question and answer together: the document's word, else the known default, else
// [UnknownWindow].
func (t *Table) Window(model string) int {
	if n, ok := t.windows[model]; ok {
		return n
	}
	return knownWindow(model)
}

// Sees reports whether a provider's model looks at pictures: the document's word, else what is known of the model; one that nothing is known of does
// not.
func (t *Table) Sees(p *Provider, model string) bool {
	if sees, ok := t.vision[model]; ok {
		return sees
	}
	return p.Dialect == simulated || knownToSee(model)
}

// Tenants lists the tenants that have routes of their own, sorted.
func (t *Table) Tenants() []string { return slices.Sorted(maps.Keys(t.tenants)) }

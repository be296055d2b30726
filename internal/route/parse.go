package route

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

// Options is what a document is judged by.
type Options struct {
	Source   string   // the document's name in faults; default parley-routes
	Revision string   // default: a digest of the document
	Outbound []string // origins that providers may have; an entry without a port allows any port. None: no provider may be called
	Dialects []string // names that `dialect` may have
	// Resolve gives the value of a key reference. An error makes a warning, not a fault: other keys and other providers still work.
	Resolve func(ref string) (chat.Secret, error)
	// ReadOnly is for who calls no provider (a client service): origins and dialects are not judged, keys are not resolved.
	ReadOnly bool
	// AnyOrigin: the document is only checked, and nobody knows which origins the servers that it is for allow.
	AnyOrigin bool
}

// Names that documents use.
var (
	providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)
	className    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	tenantName   = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	modelName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$`)
	// A variable's name says that it holds a provider's key: no document can have another of the process's secrets sent to a provider.
	keyReference = regexp.MustCompile(`^(env:[A-Z][A-Z0-9_]*_API_KEY|file:[A-Za-z0-9][A-Za-z0-9._/-]*|age:\s*\S[\s\S]*)$`)
)

// simulated is the one dialect without an address: it answers by itself.
const simulated = "simulated"

// Parse reads, judges and compiles parley-routes. The error is a *chat.Error of kind Invalid that wraps *[Faults].
func Parse(data []byte, opt Options) (*Table, error) {
	p := &parser{opt: opt, t: &Table{
		revision:  opt.Revision,
		providers: map[string]*Provider{}, windows: map[string]int{}, vision: map[string]bool{},
		models: map[string][]target{}, tenants: map[string]map[string][]target{},
		deadlines: Deadlines{Connect: 5 * time.Second, FirstToken: 30 * time.Second, Idle: 20 * time.Second, Turn: 180 * time.Second},
	}}
	p.Source = opt.Source
	if p.Source == "" {
		p.Source = "parley-routes"
	}
	if p.t.revision == "" {
		p.t.revision = digest(data)
	}
	p.outbound()
	root := p.document(data)
	if len(p.List) == 0 {
		p.routes(root)
	}
	if err := p.err("route.parse"); err != nil {
		return nil, err
	}
	return p.t, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

type parser struct {
	decoder
	opt     Options
	origins []origin
	t       *Table
	// faulty providers exist, so that routes that name them are not faulted a second time.
	faulty map[string]bool
}

func (p *parser) outbound() {
	for _, s := range p.opt.Outbound {
		o, err := parseOrigin(s)
		if err != nil {
			p.faultf(nil, "outbound", "in the static configuration: %v", err)
			continue
		}
		p.origins = append(p.origins, o)
	}
}

func (p *parser) routes(root *yaml.Node) {
	section := map[string]*yaml.Node{}
	take := func(n *yaml.Node, where string) { section[where] = n }
	p.fields(root, "", map[string]func(*yaml.Node, string){
		"providers": take, "windows": take, "vision": take, "models": take, "tenants": take, "deadlines": take,
	})
	p.faulty = map[string]bool{}
	p.entries(section["providers"], "providers", p.provider)
	p.entries(section["windows"], "windows", func(model string, at, n *yaml.Node) {
		p.named(at, join("windows", model), modelName)
		if v := p.number(n, join("windows", model), 512, 100_000_000); v > 0 {
			p.t.windows[model] = v
		}
	})
	p.entries(section["vision"], "vision", func(model string, at, n *yaml.Node) {
		p.named(at, join("vision", model), modelName)
		p.t.vision[model] = p.boolean(n, join("vision", model))
	})
	p.classes(section["models"], "models", p.t.models)
	p.entries(section["tenants"], "tenants", func(tenant string, at, n *yaml.Node) {
		p.named(at, join("tenants", tenant), tenantName)
		p.t.tenants[tenant] = map[string][]target{}
		p.classes(n, join("tenants", tenant), p.t.tenants[tenant])
	})
	p.deadlines(section["deadlines"])
	if len(p.t.providers)+len(p.faulty) == 0 {
		p.faultf(root, "providers", "names no provider; add one, for example\n  openai: {dialect: openai, base_url: https://api.openai.com/v1, key: env:OPENAI_API_KEY}")
	}
	if len(p.t.models) == 0 && len(p.List) == 0 {
		p.faultf(root, "models", "names no model; add for example\n  chat: [%s/gpt-4o-mini]", p.t.Providers()[0].Name)
	}
}

func (p *parser) provider(name string, at, n *yaml.Node) {
	before, where := len(p.List), join("providers", name)
	v := &Provider{Name: name}
	p.named(at, where, providerName)
	var base, http2, auth, app *yaml.Node
	p.fields(n, where, map[string]func(*yaml.Node, string){
		"dialect":     func(n *yaml.Node, where string) { v.Dialect = p.text(n, where) },
		"base_url":    func(n *yaml.Node, _ string) { base = n },
		"http2":       func(n *yaml.Node, _ string) { http2 = n },
		"auth":        func(n *yaml.Node, _ string) { auth = n },
		"appid":       func(n *yaml.Node, _ string) { app = n },
		"concurrency": func(n *yaml.Node, where string) { v.Concurrency = p.number(n, where, 0, 1_000_000) },
		"key": func(n *yaml.Node, where string) {
			p.items(n, where, true, func(n *yaml.Node, w string) { p.key(v, n, w) })
		},
	})
	if n.Kind != yaml.MappingNode && len(p.List) > before {
		p.faulty[name] = true
		return
	}
	p.dialect(v, n, where)
	if v.Dialect == simulated {
		if !absent(base) {
			p.faultf(base, where+".base_url", "does not fit dialect simulated, which calls nobody; remove it")
		}
	} else {
		p.baseURL(v, n, base, where+".base_url")
	}
	p.http2(v, http2, where+".http2")
	p.auth(v, auth, where+".auth")
	p.appID(v, app, where+".appid")
	if len(p.List) > before {
		p.faulty[name] = true
		return
	}
	p.t.providers[name] = v
}

func (p *parser) dialect(v *Provider, n *yaml.Node, where string) {
	switch {
	case v.Dialect == "":
		p.faultf(n, where+".dialect", "is missing; write one of %s", strings.Join(p.opt.Dialects, ", "))
	case !p.opt.ReadOnly && !contains(p.opt.Dialects, v.Dialect):
		p.faultf(n, where+".dialect", "%q is not known; write one of %s", v.Dialect, strings.Join(p.opt.Dialects, ", "))
	}
}

func (p *parser) baseURL(v *Provider, parent, n *yaml.Node, where string) {
	s := p.text(n, where)
	if s == "" {
		p.faultf(parent, where, "is missing; write the address before /chat/completions, like https://api.openai.com/v1")
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		p.faultf(n, where, "is no address; write it like https://api.openai.com/v1")
		return
	case u.User != nil || u.Fragment != "":
		p.faultf(n, where, "has a user or a fragment; leave them out, the key belongs under `key`")
		return
	}
	var ok bool
	if v.BaseURL, ok = withQuery(u); !ok {
		p.faultf(n, where, "has a query other than ?api-version=…; leave it out, the key belongs under `key`")
		return
	}
	if p.opt.ReadOnly || p.opt.AnyOrigin {
		return
	}
	to := originOf(u)
	for _, o := range p.origins {
		if o.covers(to) {
			return
		}
	}
	p.faultf(n, where, "leads to %s, which is not among the origins under `outbound` in the static configuration; add it there or mend the address", to)
}

func (p *parser) http2(v *Provider, n *yaml.Node, where string) {
	switch p.text(n, where) {
	case "":
	case "prior-knowledge":
		v.PriorKnowledge = true
		if v.BaseURL != "" && !strings.HasPrefix(v.BaseURL, "http://") {
			p.faultf(n, where, "prior-knowledge is for a plain http base_url; with https HTTP/2 is agreed on by itself: remove it")
		}
	default:
		p.faultf(n, where, "must be prior-knowledge, or absent")
	}
}

// key never quotes what it refuses: it may be a key.
func (p *parser) key(v *Provider, n *yaml.Node, where string) {
	ref := p.text(n, where)
	if !keyReference.MatchString(ref) {
		p.faultf(n, where, "must be a reference: an environment variable whose name ends in _API_KEY, like env:OPENAI_API_KEY, or file:NAME, or age:…; a key itself does not belong here")
		return
	}
	v.NeedsKey = true
	if p.opt.ReadOnly || p.opt.Resolve == nil {
		return
	}
	key, err := p.opt.Resolve(ref)
	why := " is empty"
	if err != nil {
		why = ": " + err.Error()
	} else if !key.IsZero() {
		v.Keys = append(v.Keys, key)
		return
	}
	v.Unresolved++
	p.t.warnings = append(p.t.warnings, where+": "+quotable(ref)+why)
}

// classes reads class → list of provider/model.
func (p *parser) classes(n *yaml.Node, where string, into map[string][]target) {
	p.entries(n, where, func(class string, at, n *yaml.Node) {
		where := join(where, class)
		p.named(at, where, className)
		into[class] = []target{}
		p.items(n, where, true, func(n *yaml.Node, where string) {
			to, ok := splitTarget(p.text(n, where))
			switch {
			case !ok:
				p.faultf(n, where, "must be provider/model, like openai/gpt-4o-mini")
			case p.t.providers[to.provider] == nil && !p.faulty[to.provider]:
				p.faultf(n, where, "names the provider %q, which is not under `providers`; there are %s", to.provider, names(p.t.providers))
			default:
				into[class] = append(into[class], to)
			}
		})
		if len(into[class]) == 0 {
			p.faultf(at, where, "has no valid entry; name at least one provider/model")
		}
	})
}

func splitTarget(s string) (target, bool) {
	provider, model, ok := strings.Cut(s, "/")
	return target{provider, model}, ok && providerName.MatchString(provider) && modelName.MatchString(model)
}

func (p *parser) deadlines(n *yaml.Node) {
	d := &p.t.deadlines
	read := func(into *time.Duration) func(*yaml.Node, string) {
		return func(n *yaml.Node, where string) {
			*into = p.duration(n, where, *into, time.Millisecond, time.Hour)
		}
	}
	p.fields(n, "deadlines", map[string]func(*yaml.Node, string){
		"connect": read(&d.Connect), "first_token": read(&d.FirstToken), "idle": read(&d.Idle), "turn": read(&d.Turn),
	})
	if d.FirstToken > d.Turn || d.Idle > d.Turn || d.Connect > d.Turn {
		p.faultf(n, "deadlines", "connect %v, first_token %v and idle %v must not be longer than turn %v", d.Connect, d.FirstToken, d.Idle, d.Turn)
	}
}

// quotable is what a warning may repeat of a reference: a variable's name, and of the others their kind only.
func quotable(ref string) string {
	kind, _, _ := strings.Cut(ref, ":")
	if kind == "env" {
		return ref
	}
	return kind + ":…"
}

package operate

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
	llmall "parley/internal/llm/all"
	"parley/internal/route"
	"parley/internal/secret"
)

// judge decodes the live documents of one `parley check` as the roles do, without the services around them, and then judges them together:
// a document may be faultless alone and still fail every turn beside the others.
type judge struct {
	live    bool
	secrets *secret.Store
	limits  []outbound // what servers may call; none: nobody knows

	clients  []checkedClient
	routes   []checkedRoutes
	switches []checkedSwitches
	tenants  []checkedTenant
	warnings []config.Fault // what is allowed, and probably not meant
}

// outbound is what the servers of one server.yaml may call.
type outbound struct {
	file     string // empty: the defaults
	variable bool   // PARLEY_OUTBOUND says it
	origins  []string
}

type checkedClient struct {
	file string
	*config.Client
}

type checkedRoutes struct {
	file  string
	table *route.Table
}

type checkedSwitches struct {
	config.Document
	form *route.Degradation
}

type checkedTenant struct {
	config.Document
	tenant *chat.Tenant
}

// outbounds are those of every server.yaml among files, with the environment over them as on a server. Without one: with live the defaults, because a key must never be shown to an origin that
// no server would call; else none, since nobody knows which servers the documents are for.
func outbounds(files []string, live bool) ([]outbound, error) {
	var all []outbound
	variable := os.Getenv(config.EnvName("outbound")) != ""
	for _, file := range config.Named(files, config.KindServer) {
		origins, err := config.LoadOutbound(file, config.Options{})
		if err != nil {
			if live {
				return nil, err
			}
			continue // the file's own check says it
		}
		all = append(all, outbound{file, variable, origins})
	}
	if len(all) > 0 || !live {
		return all, nil
	}
	origins, err := config.LoadOutbound("", config.Options{})
	return []outbound{{variable: variable, origins: origins}}, err
}

// clients are the client.yaml among files that can be read.
func clients(files []string) []checkedClient {
	var all []checkedClient
	for _, file := range config.Named(files, config.KindClient) {
		if c, err := config.LoadClient(file, config.Options{Elsewhere: true}); err == nil {
			all = append(all, checkedClient{file, c})
		}
	}
	return all
}

// forServers reports whether a server.yaml is among the files: only then this machine should have the providers' keys.
func (j *judge) forServers() bool {
	return slices.ContainsFunc(j.limits, func(o outbound) bool { return o.file != "" })
}

func (j *judge) decoders() map[config.Kind]config.Decoder {
	return map[config.Kind]config.Decoder{config.KindRoutes: j.decodeRoutes, config.KindDegradation: j.decodeSwitches, config.KindPrices: j.decodePrices, config.KindTenant: j.decodeTenant}
}

func (j *judge) decodeRoutes(d config.Document) config.Faults {
	opt := route.Options{Source: d.File, AnyOrigin: true, Dialects: llmall.Names(), Resolve: j.secrets.Routes().Resolve}
	if !j.live {
		opt.Resolve = func(ref string) (chat.Secret, error) { return orStandIn(ref, j.secrets.Routes().Probe) }
	}
	table, err := route.Parse(d.Content, opt)
	if err != nil {
		return faultsOf(d.File, err)
	}
	j.routes = append(j.routes, checkedRoutes{d.File, table})
	var faults config.Faults
	opt.AnyOrigin, opt.Resolve = false, nil
	for _, limit := range j.limits {
		opt.Outbound = limit.origins
		_, err := route.Parse(d.Content, opt)
		for _, f := range faultsOf(d.File, err) { // without limits the document is faultless: these are of origins alone
			to, _, _ := strings.Cut(f.What, ", ")
			f.What, f.Mend = to+", which "+limit.words(), limit.mend()
			faults = append(faults, f)
		}
	}
	return faults
}

func (o outbound) words() string {
	switch {
	case o.variable:
		return "is not among the origins in PARLEY_OUTBOUND"
	case o.file == "":
		return "servers do not call by default, and no server.yaml stands beside this file"
	default:
		return "is not among the origins under `outbound` in " + o.file
	}
}

func (o outbound) mend() string {
	switch {
	case o.variable:
		return "add it there, or mend the address; the variable wins over a server.yaml"
	case o.file == "":
		return "name the servers' server.yaml too, or set PARLEY_OUTBOUND as they have it; nobody was shown a key"
	default:
		return "add it there, or mend the address"
	}
}

func (j *judge) decodeSwitches(d config.Document) config.Faults {
	form, err := route.ParseDegradation(d.Content, d.File, "")
	if err == nil {
		j.switches = append(j.switches, checkedSwitches{d, form})
	}
	return faultsOf(d.File, err)
}

func (j *judge) decodePrices(d config.Document) config.Faults {
	_, err := route.ParsePrices(d.Content, d.File, "")
	return faultsOf(d.File, err)
}

func (j *judge) decodeTenant(d config.Document) config.Faults {
	name := d.Name
	if name == "" {
		name = wire.TenantPrefix
	}
	resolve := j.secrets.ResolveTenant
	if !j.live {
		resolve = func(tenant, ref string) (chat.Secret, error) { return orStandIn(ref, j.secrets.Tenant(tenant).Probe) }
	}
	c, err := wire.DecodeCompany(liveconfig.Document{Name: name, Content: d.Content}, resolve, checkDeps())
	if err == nil {
		j.tenants = append(j.tenants, checkedTenant{d, c.Tenant})
		c.Close()
	}
	fs := faultsOf(d.File, err)
	for i := range fs {
		fs[i].File = d.File
	}
	return fs
}

// warnOfKeys warns of platform keys that cannot be had, which may be why a tenant has none.
func (j *judge) warnOfKeys() {
	for _, r := range j.routes {
		for _, w := range r.table.Warnings() {
			j.warn(r.file, 0, "", w)
		}
	}
}

func (j *judge) warn(file string, line int, path, what string) {
	if f := (config.Fault{File: file, Line: line, Path: path, What: "warning: " + what}); !slices.Contains(j.warnings, f) {
		j.warnings = append(j.warnings, f)
	}
}

// orStandIn puts a stand-in where a secret that need not be on this machine is absent.
func orStandIn(ref string, probe func(string) (chat.Secret, error)) (chat.Secret, error) {
	s, err := probe(ref)
	if err == nil && s.IsZero() {
		s = standIn(ref)
	}
	return s, err
}

// standIn has the form of all secrets, a platform's AES key included; two references have two, since some secrets must differ.
func standIn(ref string) chat.Secret {
	sum := sha256.Sum256([]byte(ref))
	return chat.NewSecret(hex.EncodeToString(sum[:])[:43])
}

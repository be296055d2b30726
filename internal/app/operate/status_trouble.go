package operate

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/rpc"
)

// printProviders shows the providers that a server cannot use, or not with all keys, and servers that count calls by themselves.
func (r StatusReport) printProviders(w io.Writer, now time.Time) {
	head := "\nSERVER\tPROVIDER\tTROUBLE\n"
	row := func(server, provider, text string) {
		fmt.Fprintf(w, "%s%s\t%s\t%s\n", head, server, provider, text)
		head = ""
	}
	for _, s := range r.Servers {
		if s.Alone != "" {
			row(s.Address, "(all)", "counts calls with keys alone, on top of what the others let run: "+s.Alone)
		}
		for _, p := range s.Providers {
			if text := trouble(p); text != "" {
				row(s.Address, p.Name, text)
			}
			for _, k := range p.Rests {
				row("", "", restText(k, now))
			}
		}
	}
}

func trouble(p chat.ProviderState) string {
	var all []string
	if p.Open {
		all = append(all, "its breaker is open")
	}
	if p.NeedsKey && p.Keys == 0 {
		all = append(all, "without key")
	}
	if p.Unresolved > 0 {
		all = append(all, fmt.Sprintf("%d keys could not be resolved (its log says why)", p.Unresolved))
	}
	if p.Resting > 0 {
		all = append(all, fmt.Sprintf("%d of %d keys rest", p.Resting, p.Keys))
	}
	return strings.Join(all, ", ")
}

func restText(k chat.KeyRest, now time.Time) string {
	text := "key " + k.Fingerprint + ": " + k.Kind
	if k.Code != "" {
		text += " (" + k.Code + ")"
	}
	if until := time.UnixMilli(k.Until); until.After(now) {
		return text + ", until " + moment(until, now)
	}
	return text + ", tried again now"
}

// group are the servers that run the same switches.
type group struct {
	inForce, revision string
	servers           []string
}

// groups sorts the servers by what they tell of parley-degradation; those that cannot be asked are in none.
func (r StatusReport) groups() []group {
	var all []group
	for _, s := range r.Servers {
		d, ok := s.document(wire.DegradationDocument)
		if !ok {
			continue
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.inForce == d.InForce && g.revision == d.Revision })
		if i < 0 {
			all, i = append(all, group{inForce: d.InForce, revision: d.Revision}), len(all)
		}
		all[i].servers = append(all[i].servers, s.Address)
	}
	slices.SortFunc(all, func(a, b group) int {
		return cmp.Or(strings.Compare(a.inForce, b.inForce), strings.Compare(a.revision, b.revision))
	})
	return all
}

// printInForce says who runs which switches, wherever that is not what is published.
func (r StatusReport) printInForce(w io.Writer) {
	all := r.groups()
	if r.Switches != nil && r.Switches.Faults == "" && len(all) < 2 && (len(all) == 0 || all[0].revision == r.Switches.Revision) {
		return
	}
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\nIN FORCE\tFORM\tSERVERS\n")
	split := false
	for _, g := range all {
		split = split || g.inForce != all[0].inForce
		form := wire.DegradationDocument + "@" + cmp.Or(g.revision, "- (it has had no good form since it started)")
		fmt.Fprintf(w, "%s\t%s\t%s\n", cmp.Or(g.inForce, "(not told: an older release)"), form, strings.Join(g.servers, ","))
	}
	if split {
		fmt.Fprintf(w, "the fleet is split: its servers do not run the same switches; publish a good form, and all of them take it over\n")
	}
}

// operation is what chat.Error puts before its cause: which step found it, and its kind.
var operation = regexp.MustCompile(`^[a-z.]+: invalid: `)

// printRefused says of every document that is refused or gone what is wrong with it, once for all who say the same. What is wrong with the
// published switches stands with them.
func (r StatusReport) printRefused(w io.Writer) {
	all := map[[2]string][]string{}
	for _, s := range r.Servers {
		gatherRefused(all, s.Address, s.Documents)
	}
	for _, c := range r.Clients {
		gatherRefused(all, c.ID, c.Documents)
	}
	who := map[[2]string][]string{}
	for key, ids := range all {
		if told := key[0] == wire.DegradationDocument && r.Switches != nil && (key[1] == r.Switches.Faults || r.Switches.Revision == ""); !told {
			who[key] = ids
		}
	}
	for _, key := range sortedKeys(who) {
		fmt.Fprintf(w, "\n%s: what is published is not in force on %s:\n  %s\n", key[0], joinSome(who[key]), strings.ReplaceAll(key[1], "\n", "\n  "))
	}
}

// gatherRefused adds to who, by document and fault, the process that does not have the newest form in force.
func gatherRefused(who map[[2]string][]string, id string, docs []rpc.Document) {
	for _, d := range docs {
		if text := operation.ReplaceAllString(d.Refused, ""); text != "" {
			who[[2]string{d.Name, text}] = append(who[[2]string{d.Name, text}], id)
		}
	}
}

// printMisfits says what of a tenant's document does not fit the routes: it is in force, and its turns fail.
func (r StatusReport) printMisfits(w io.Writer) {
	for _, t := range r.Tenants {
		if len(t.Misfits) > 0 {
			fmt.Fprintf(w, "\n%s%s: what is published does not fit %s:\n  %s\n", wire.TenantPrefix, t.Tenant, wire.RoutesDocument, strings.Join(t.Misfits, "\n  "))
		}
	}
}

func sortedKeys(m map[[2]string][]string) [][2]string {
	var keys [][2]string
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) })
	return keys
}

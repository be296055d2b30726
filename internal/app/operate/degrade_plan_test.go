package operate

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
	"parley/internal/rpc"
)

const planRoutes = `providers:
  openai:  {dialect: openai, base_url: https://a.example/v1, key: env:A_API_KEY}
  chatglm: {dialect: chatglm, base_url: https://b.example/v1, key: [env:B_API_KEY, env:C_API_KEY], concurrency: 20}
  local:   {dialect: openai, base_url: http://127.0.0.1/v1}
models:
  chat: [openai/gpt-4o, chatglm/glm-4.6]
  fast: [chatglm/glm-4-flash]
tenants:
  lone: {chat: [openai/gpt-4o]}
windows: {qwen: 32768}
`

// healthy is a server that can do all, with load.
func healthy(address string) serverReport {
	return serverReport{Address: address, Weight: 1, Enabled: true, Up: true, Providers: []chat.ProviderState{
		{Name: "chatglm", Keys: 2, Concurrency: 20, NeedsKey: true, InFlight: 3},
		{Name: "local", InFlight: 1},
		{Name: "openai", Keys: 1, NeedsKey: true, InFlight: 10},
	}}
}

// with is a healthy server whose view of the target is changed.
func with(address string, change func(*chat.ProviderState)) serverReport {
	s := healthy(address)
	change(&s.Providers[0])
	return s
}

func planFor(t *testing.T, o DegradeOptions, document string, tenants []scoped, servers []serverReport) *plan {
	t.Helper()
	table, err := route.Parse([]byte(planRoutes), route.Options{ReadOnly: true, Revision: "r"})
	if err != nil {
		t.Fatal(err)
	}
	e, was, err := openSwitches([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	e.degrade(o, "li", now)
	_, is, err := e.result()
	if err != nil {
		t.Fatal(err)
	}
	return newPlan(o, facts{table: table, tenants: tenants, servers: servers}, was, is, now)
}

func TestPlanObjections(t *testing.T) {
	acme := []scoped{{name: "acme"}}
	all := DegradeOptions{To: "chatglm"}
	two := []serverReport{healthy("s1"), healthy("s2")}
	for _, test := range []struct {
		name    string
		o       DegradeOptions
		tenants []scoped
		servers []serverReport
		want    []string // one word of each objection
		notes   []string
	}{
		{"nothing", all, acme, two, nil, []string{"20 calls are in flight at openai, other turns' included: at most so many move; chatglm carries 40 (2 keys, 20 calls each), of which 6 are in flight: room for 34"}},
		{"no server", all, acme, nil, []string{"no server is registered"}, []string{"load: unknown"}},
		{"one that cannot be asked", all, acme, []serverReport{healthy("s1"), {Address: "s2", Weight: 1, Enabled: true, Error: "refused"}}, []string{"cannot be asked: s2 (refused)"}, nil},
		{"one that cannot be asked, but takes no turns", all, acme, []serverReport{healthy("s1"), {Address: "s2", Enabled: true, Error: "x"}, {Address: "s3", Weight: 1, Error: "x"}}, nil, nil},
		{"an older release", all, acme, []serverReport{{Address: "s1", Weight: 1, Enabled: true, Up: true}}, nil, []string{"unknown: keys and capacity on s1", "load: unknown"}},
		{"not configured on one", all, acme, []serverReport{healthy("s1"), {Address: "s2", Weight: 1, Enabled: true, Providers: []chat.ProviderState{{Name: "openai"}}}}, []string{"chatglm is not configured on s2"}, nil},
		{"no key on one", all, acme, []serverReport{healthy("s1"), with("s2", func(p *chat.ProviderState) { p.Keys = 0 })}, []string{"chatglm has no key on s2"}, nil},
		{"no key, but none is needed", DegradeOptions{To: "local/qwen"}, acme, two, nil, []string{"what it can carry is not known"}},
		{"no key, but the tenants bring theirs", all, []scoped{{name: "acme", own: []string{"chatglm"}}}, []serverReport{with("s1", func(p *chat.ProviderState) { p.Keys = 0 })}, nil, nil},
		{"its breaker is open", all, acme, []serverReport{with("s1", func(p *chat.ProviderState) { p.Open = true }), healthy("s2")}, []string{"breaker of chatglm is open on s1"}, nil},
		{"all keys rest", all, acme, []serverReport{with("s1", func(p *chat.ProviderState) { p.Resting = 2 }), healthy("s2")}, []string{"all keys of chatglm rest on s1"}, nil},
		{"one key rests everywhere", all, acme, []serverReport{with("s1", func(p *chat.ProviderState) { p.Resting = 1 }), with("s2", func(p *chat.ProviderState) { p.Resting = 1 })},
			[]string{"chatglm cannot carry the load: 20 calls"}, []string{"chatglm carries 20 (1 keys"}},
		{"too small", all, acme, []serverReport{with("s1", func(p *chat.ProviderState) { p.Concurrency = 5 }), with("s2", func(p *chat.ProviderState) { p.Concurrency = 5 })},
			[]string{"chatglm cannot carry the load"}, []string{"carries 10 (2 keys, 5 calls each), of which 6 are in flight: room for 4"}},
		{"too small, but the tenants bring keys", all, []scoped{{name: "acme", own: []string{"openai", "chatglm"}}}, []serverReport{with("s1", func(p *chat.ProviderState) { p.Concurrency = 1 })}, nil, nil},
		{"no limit", all, acme, []serverReport{with("s1", func(p *chat.ProviderState) { p.Concurrency = 0 })}, nil, []string{"chatglm has no concurrency in parley-routes"}},
		{"a tenant forbids it", all, []scoped{{name: "acme"}, {name: "strict", providers: []string{"openai"}}}, two,
			[]string{"do not let their data go to chatglm: strict", "nobody would answer turns of strict"}, nil},
		{"a tenant that has no route to it", all, []scoped{{name: "lone"}}, two, nil, nil}, // the model of another class serves
		{"a tenant would spend the platform's money", all, []scoped{{name: "acme", own: []string{"openai"}}, {name: "beta", own: []string{"openai", "chatglm"}}}, two,
			[]string{"would spend the platform's: acme"}, nil},
		{"own keys elsewhere are no matter", all, []scoped{{name: "acme", own: []string{"local"}}}, two, nil, nil},
		{"an unknown tenant", DegradeOptions{To: "chatglm", Tenants: []string{"x"}}, []scoped{{name: "x", missing: true}}, two, []string{`no tenant "x"`}, nil},
		{"an unknown provider", DegradeOptions{To: "gemini"}, acme, two, []string{"not a provider of parley-routes"}, nil},
		{"where turns go anyway", DegradeOptions{To: "openai", Providers: []string{"openai"}}, acme, two, []string{"no effect on any turn: turns go to openai anyway"}, nil},
		{"what no turn uses", DegradeOptions{To: "chatglm", Providers: []string{"local"}}, acme, two,
			[]string{"turns would not use what the switch replaces; they go to chatglm/glm-4-flash; turns would not use what the switch replaces; they go to openai/gpt-4o"}, nil},
		{"a slip in --provider", DegradeOptions{To: "chatglm", Providers: []string{"opnai"}}, acme, two, []string{"--provider opnai is no provider of parley-routes"}, nil},
		{"a slip in the model", DegradeOptions{To: "chatglm/glm-46"}, acme, two, []string{"no route of parley-routes names the model glm-46 of chatglm"}, nil},
		{"another form of the routes", all, acme, []serverReport{{Address: "s1", Weight: 1, Enabled: true, Documents: []rpc.Document{{Name: "parley-routes", Revision: "q"}},
			Providers: healthy("").Providers}}, nil, []string{"another form of parley-routes than the published one (r) is in force on s1 (q)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := planFor(t, test.o, "", test.tenants, test.servers)
			var got []string
			for _, o := range p.objections {
				got = append(got, o.What)
				if o.Mend == "" {
					t.Errorf("%q says not how to mend it", o.What)
				}
			}
			if len(got) != len(test.want) {
				t.Fatalf("%d objections, want %d:\n%s", len(got), len(test.want), strings.Join(got, "\n"))
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("Objection %q, want %q", got[i], want)
				}
			}
			notes := strings.Join(p.notes, "\n")
			for _, want := range test.notes {
				if !strings.Contains(notes, want) {
					t.Errorf("%q is not in the notes:\n%s", want, notes)
				}
			}
		})
	}
}

func TestPlanMoves(t *testing.T) {
	tenants := []scoped{{name: "acme"}, {name: "beta"}, {name: "lone"}, {name: "strict", providers: []string{"openai"}}}
	for _, test := range []struct {
		name, document string
		o              DegradeOptions
		servers        []serverReport
		want           []move
	}{
		{"all", "", DegradeOptions{To: "chatglm"}, []serverReport{healthy("s")}, []move{
			{"chat", "openai/gpt-4o", "", []string{"strict"}},
			{"chat", "openai/gpt-4o", "chatglm/glm-4.6", []string{"acme", "beta", "lone"}},
		}},
		{"a model", "", DegradeOptions{To: "local/qwen", Providers: []string{"chatglm"}}, []serverReport{healthy("s")}, []move{
			{"fast", "chatglm/glm-4-flash", "local/qwen", []string{"acme", "beta", "lone"}},
		}},
		{"without a key for the first", "", DegradeOptions{To: "chatglm"}, []serverReport{{Providers: []chat.ProviderState{{Name: "openai", NeedsKey: true}, {Name: "chatglm"}}}}, []move{
			{"chat", "", "chatglm/glm-4.6", []string{"lone"}},
		}},
		{"above another switch", "switches: [{id: x, active: true, to: local/qwen, tenants: [acme]}, {id: all, active: false}]", DegradeOptions{To: "chatglm"}, []serverReport{healthy("s")}, []move{
			{"chat", "local/qwen", "chatglm/glm-4.6", []string{"acme"}},
			{"chat", "openai/gpt-4o", "", []string{"strict"}},
			{"chat", "openai/gpt-4o", "chatglm/glm-4.6", []string{"beta", "lone"}},
			{"fast", "local/qwen", "chatglm/glm-4-flash", []string{"acme"}},
		}},
		{"an inactive one below another moves up to where it decides", "switches: [{id: all, active: true, to: local/qwen}, {id: acme, active: false, to: chatglm}]",
			DegradeOptions{To: "chatglm", Tenants: []string{"acme"}}, []serverReport{healthy("s")}, []move{
				{"chat", "local/qwen", "chatglm/glm-4.6", []string{"acme"}},
				{"fast", "local/qwen", "chatglm/glm-4-flash", []string{"acme"}},
			}},
		{"from where another switch led", "switches: [{id: x, active: true, to: local/qwen, tenants: [acme]}]", DegradeOptions{To: "chatglm", ID: "y", Tenants: []string{"acme"}}, []serverReport{healthy("s")}, []move{
			{"chat", "local/qwen", "chatglm/glm-4.6", []string{"acme"}},
			{"fast", "local/qwen", "chatglm/glm-4-flash", []string{"acme"}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			scope := tenants
			if len(test.o.Tenants) > 0 {
				scope = tenants[:1]
			}
			p := planFor(t, test.o, test.document, scope, test.servers)
			if diff := cmp.Diff(test.want, p.moves, cmp.AllowUnexported(move{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlanPrints(t *testing.T) {
	p := planFor(t, DegradeOptions{To: "chatglm", For: 2 * time.Hour, Ramp: 15 * time.Minute}, "", nil, []serverReport{healthy("s")})
	var out bytes.Buffer
	p.print(&out)
	for _, want := range []string{`switch "all": turns of every tenant (0) go to chatglm until 2`, "returning by share in the last 15m before it",
		"chat   openai/gpt-4o  chatglm/glm-4.6  every tenant", "unchanged: fast", "load: 10 calls"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}

// TestPlanOfAChangedDocument judges a switch beside others: one that leads nowhere is named, one that is only prolonged is no change in vain.
func TestPlanOfAChangedDocument(t *testing.T) {
	for name, test := range map[string]struct {
		document   string
		o          DegradeOptions
		objections []string
		note       string
	}{
		"an old one leads nowhere": {"switches: [{id: old, active: true, to: gemini, tenants: [x]}]", DegradeOptions{To: "chatglm", ID: "new"},
			[]string{`switch "old" leads to "gemini"`, "`parley restore old` switches that one off"}, ""},
		"this one does":       {"switches: []", DegradeOptions{To: "gemini"}, []string{`switch "all" leads to "gemini"`, "choose another target with --to"}, ""},
		"prolonged":           {"switches: [{id: all, active: true, to: chatglm}]", DegradeOptions{To: "chatglm", For: time.Hour}, nil, "no turn moves: they go to chatglm already"},
		"where another leads": {"switches: [{id: all, active: true, to: chatglm}]", DegradeOptions{To: "chatglm", Tenants: []string{"acme"}}, nil, "no turn moves"},
		"nobody has a key for the new target": {"switches: [{id: all, active: true, to: local}]", DegradeOptions{To: "chatglm/glm-4.6", Force: true},
			[]string{"chatglm has no key on s"}, "no turn moves: none can be answered by chatglm as things are, so they stay where they are"},
	} {
		t.Run(name, func(t *testing.T) {
			server := healthy("s")
			if test.o.Force {
				server = with("s", func(p *chat.ProviderState) { p.Keys = 0 })
			}
			p := planFor(t, test.o, test.document, []scoped{{name: "acme"}}, []serverReport{server})
			text := ""
			for _, o := range p.objections {
				text += o.String()
			}
			if (len(p.objections) == 0) != (len(test.objections) == 0) {
				t.Errorf("objections: %s", text)
			}
			for _, want := range test.objections {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %s", want, text)
				}
			}
			if !strings.Contains(strings.Join(p.notes, "\n"), test.note) {
				t.Errorf("notes: %q", p.notes)
			}
		})
	}
}

func TestFutile(t *testing.T) {
	a, b := &route.Switch{ID: "a", To: "chatglm"}, &route.Switch{ID: "b"}
	for want, then := range map[string]route.Preview{
		"":                                     {Switch: a, First: a},
		"turns go to chatglm anyway":           {First: a},
		`an earlier switch "b" decides`:        {Switch: b, First: b},
		"no provider is left for turns anyway": {},
		"turns would not use what the switch replaces; they go to x/y": {Before: []string{"x/y"}},
	} {
		if got := futile(then, "a"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

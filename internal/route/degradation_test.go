package route

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

func mustDegrade(t *testing.T, doc string) *Degradation {
	t.Helper()
	d, err := ParseDegradation([]byte(doc), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseDegradation(t *testing.T) {
	got, err := ParseDegradation([]byte(`
switches:
  - id: all
    active: false
    to: chatglm/glm-4.6
    tenants: []
    providers: []
    reason: ""
    by: ""
    until: ""
  - {id: acme-1, active: true, to: ernie, tenants: [acme, beta], providers: [openai], reason: OpenAI 故障, by: li, until: "2026-01-31T18:00:00+08:00"}
`), "", "r1")
	if err != nil {
		t.Fatal(err)
	}
	want := &Degradation{Revision: "r1", Switches: []Switch{
		{ID: "all", To: "chatglm/glm-4.6"},
		{ID: "acme-1", Active: true, To: "ernie", Tenants: []string{"acme", "beta"}, Providers: []string{"openai"}, Reason: "OpenAI 故障", By: "li",
			Until: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d, err := ParseDegradation([]byte("switches: []\n"), "", ""); err != nil || len(d.Switches) != 0 || d.Revision == "" {
		t.Errorf("none: %+v, %v", d, err)
	}
}

func TestDegradationFaults(t *testing.T) {
	for name, test := range map[string]struct {
		doc  string
		want []string
	}{
		"unknown":      {"switch: []\n", []string{"switch: is not known here; known are switches"}},
		"no list":      {"switches: {id: a}\n", []string{"switches: is a mapping; write a list"}},
		"no id":        {"switches: [{active: false}]\n", []string{"switches[0].id: is missing"}},
		"emptied":      {"", []string{"parley-degradation:0: switches: is missing or empty; write switches: []"}},
		"comments":     {"# nothing\n", []string{"switches: is missing or empty"}},
		"null":         {"null\n", []string{"switches: is missing or empty"}},
		"no key":       {"{}\n", []string{"parley-degradation:1: switches: is missing or empty"}},
		"no value":     {"# why\nswitches:\n", []string{"parley-degradation:2: switches: is missing or empty"}},
		"twice":        {"switches: [{id: a}, {id: a}]\n", []string{`switches[1].id: "a" stands twice`}},
		"leads astray": {"switches: [{id: a, active: true}]\n", []string{"switches[0].to: is missing in an active switch"}},
		"wide colon":   {"switches：[]\nx: 1\n", []string{"line 1 has a full-width colon (：) after a key"}},
		"no to is one": {"switches: [{id: a, active: true, to: [chatglm]}]\n", []string{"switches[0].to: is a list; write one value"}},
		"yes":          {"switches: [{id: a, active: yes, to: chatglm}]\n", []string{"active: must be true or false, in these words"}},
		"everything": {"switches: [{id: a, active: ja, to: 'x y', tenants: acme, providers: [A], until: tomorrow, size: 1}]\n", []string{
			"active: must be true or false", "to: must be provider or provider/model", "tenants: is a single value; write a list",
			"providers[0]: is no valid name", "until: must be a time in RFC 3339", "size: is not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseDegradation([]byte(test.doc), "", "")
			faults, ok := errors.AsType[*Faults](err)
			if !ok {
				t.Fatalf("got %v, want faults", err)
			}
			if len(faults.List) != len(test.want) {
				t.Errorf("%d faults, want %d:\n%v", len(faults.List), len(test.want), err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "parley-degradation:") {
					t.Errorf("got %v\nwant %s", err, want)
				}
			}
		})
	}
}

func TestDegrade(t *testing.T) {
	table := mustParse(t, example)
	all := []string{"openai/gpt-4o-mini", "chatglm/glm-4.6", "ernie/ernie-4.5-turbo-128k"}
	chat0 := Want{Tenant: "t", Class: "chat", Now: noon}
	for _, test := range []struct {
		name string
		doc  string
		want Want
		is   []string
		kind chat.Kind
	}{
		{"inactive", "{id: s, active: false, to: chatglm}", chat0, all, 0},
		{"model named", "{id: s, active: true, to: chatglm/glm-5}", chat0, []string{"chatglm/glm-5 by s", "chatglm/glm-4.6 by s", "ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"the route's model", "{id: s, active: true, to: chatglm}", chat0, []string{"chatglm/glm-4.6 by s", "ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"the last of the route", "{id: s, active: true, to: ernie}", chat0, []string{"ernie/ernie-4.5-turbo-128k by s", "chatglm/glm-4.6 by s"}, 0},
		{"within the provider", "{id: s, active: true, to: openai/gpt-4.1-nano}", chat0,
			[]string{"openai/gpt-4.1-nano by s", "chatglm/glm-4.6 by s", "ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"two providers", "{id: s, active: true, to: ernie, providers: [openai, chatglm]}", chat0, []string{"ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"goes there anyway", "{id: s, active: true, to: openai}", chat0, all, 0},
		{"another provider", "{id: s, active: true, to: ernie, providers: [chatglm]}", chat0, all, 0},
		{"another provider, which the turn would use", "{id: s, active: true, to: ernie, providers: [chatglm]}",
			Want{Tenant: "t", Class: "chat", Allowed: []string{"chatglm", "ernie"}}, []string{"ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"another tenant", "{id: s, active: true, to: ernie, tenants: [acme]}", chat0, all, 0},
		{"this tenant", "{id: s, active: true, to: ernie, tenants: [acme, t]}", chat0, []string{"ernie/ernie-4.5-turbo-128k by s", "chatglm/glm-4.6 by s"}, 0},
		{"a tenant whose route has no such model", "{id: s, active: true, to: ernie}", Want{Tenant: "acme", Class: "chat"},
			[]string{"ernie/ernie-4.5-turbo-128k by s", "chatglm/glm-4.6 by s"}, 0},
		{"over", "{id: s, active: true, to: ernie, until: '2026-01-02T12:00:00Z'}", chat0, all, 0},
		{"not over", "{id: s, active: true, to: ernie, until: '2026-01-02T12:00:01Z'}", chat0, []string{"ernie/ernie-4.5-turbo-128k by s", "chatglm/glm-4.6 by s"}, 0},
		{"the first that fits", "{id: a, active: true, to: ernie, tenants: [acme]}, {id: b, active: true, to: chatglm}, {id: c, active: true, to: ernie}",
			chat0, []string{"chatglm/glm-4.6 by b", "ernie/ernie-4.5-turbo-128k by b"}, 0},
		{"to a provider that the tenant does not allow", "{id: s, active: true, to: chatglm}",
			Want{Tenant: "t", Class: "chat", Allowed: []string{"openai", "ernie"}}, []string{"ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"nothing left", "{id: s, active: true, to: chatglm}", Want{Tenant: "t", Class: "chat", Allowed: []string{"openai"}}, nil, chat.Unavailable},
		{"to a provider that is gone", "{id: s, active: true, to: gone/x}", chat0, []string{"chatglm/glm-4.6 by s", "ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"to a provider outside the route", "{id: s, active: true, to: sim/simulated}", chat0,
			[]string{"sim/simulated by s", "chatglm/glm-4.6 by s", "ernie/ernie-4.5-turbo-128k by s"}, 0},
		{"unknown class", "{id: s, active: true, to: chatglm}", Want{Class: "x"}, nil, chat.NotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := table.Pick(test.want, mustDegrade(t, "switches: ["+test.doc+"]"))
			if diff := cmp.Diff(test.is, choiceNames(got)); diff != "" {
				t.Error(err, diff)
			}
			if test.is == nil && (err == nil || chat.KindOf(err) != test.kind) {
				t.Errorf("got %v, want kind %v", err, test.kind)
			}
		})
	}
}

// A switch away from a provider without a key counts what the turn would really use.
func TestDegradeWithoutKeys(t *testing.T) {
	opt := options()
	opt.Resolve = func(ref string) (chat.Secret, error) {
		if ref == "env:OPENAI_API_KEY" {
			return chat.Secret{}, errors.New("is not set")
		}
		return chat.NewSecret("k"), nil
	}
	table, err := Parse([]byte(example), opt)
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string][]string{
		"{id: s, active: true, to: ernie, providers: [openai]}":  {"chatglm/glm-4.6", "ernie/ernie-4.5-turbo-128k"},
		"{id: s, active: true, to: ernie, providers: [chatglm]}": {"ernie/ernie-4.5-turbo-128k by s"},
		"{id: s, active: true, to: openai}":                      {"ernie/ernie-4.5-turbo-128k by s"},
	} {
		got, err := table.Pick(Want{Tenant: "t", Class: "chat"}, mustDegrade(t, "switches: ["+doc+"]"))
		if diff := cmp.Diff(want, choiceNames(got)); diff != "" {
			t.Errorf("%s: %v %s", doc, err, diff)
		}
	}
}

func TestCheck(t *testing.T) {
	table := mustParse(t, example)
	for doc, want := range map[string]string{
		"{id: s, active: true, to: chatglm}":                         "",
		"{id: s, active: true, to: chatglm/anything}":                "",
		"{id: s, active: true, to: sim}":                             "", // acme's own route names a model of it
		"{id: s, active: true, to: sim, tenants: [acme]}":            "",
		"{id: s, active: true, to: sim, tenants: [other]}":           `switch "s" leads to "sim" without a model, and no route names a model of it; write sim/MODEL`,
		"{id: s, active: true, to: gone/x}":                          `switch "s" leads to "gone", which is not a provider of parley-routes; there are chatglm, ernie, local, openai, sim`,
		"{id: s, active: false, to: gone/x}":                         "",
		"{id: a, active: true, to: x}, {id: b, active: true, to: y}": `switch "b" leads to "y"`,
	} {
		err := mustDegrade(t, "switches: ["+doc+"]").Check(table, time.Now())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", doc, err, want)
		}
	}
	if err := (*Degradation)(nil).Check(table, time.Now()); err != nil {
		t.Error(err)
	}
}

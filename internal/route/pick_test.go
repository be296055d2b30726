package route

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func own(keys ...string) []chat.Secret {
	list := []chat.Secret{}
	for _, k := range keys {
		list = append(list, chat.NewSecret(k))
	}
	return list
}

// names gives choices as provider/model, with the switch that led there.
func choiceNames(list []Choice) (names []string) {
	for _, c := range list {
		s := c.Provider.Name + "/" + c.Model
		if c.Switch != nil {
			s += " by " + c.Switch.ID
		}
		names = append(names, s)
	}
	return names
}

func TestPick(t *testing.T) {
	table := mustParse(t, example)
	for _, test := range []struct {
		name string
		want Want
		is   []string
		kind chat.Kind // if is is nil
	}{
		{"route", Want{Tenant: "other", Class: "chat"}, []string{"openai/gpt-4o-mini", "chatglm/glm-4.6", "ernie/ernie-4.5-turbo-128k"}, 0},
		{"tenant's route", Want{Tenant: "acme", Class: "chat"}, []string{"openai/gpt-4o", "chatglm/glm-4.6"}, 0},
		{"tenant's class", Want{Tenant: "acme", Class: "lab"}, []string{"sim/simulated"}, 0},
		{"tenant, common class", Want{Tenant: "acme", Class: "free"}, []string{"local/qwen2.5:7b"}, 0},
		{"allowed", Want{Tenant: "other", Class: "chat", Allowed: []string{"ernie", "openai"}}, []string{"openai/gpt-4o-mini", "ernie/ernie-4.5-turbo-128k"}, 0},
		{"nothing allowed", Want{Tenant: "other", Class: "chat", Allowed: []string{"sim"}}, nil, chat.Forbidden},
		{"an empty list allows nothing", Want{Tenant: "other", Class: "chat", Allowed: []string{}}, nil, chat.Forbidden},
		{"another tenant's class", Want{Tenant: "other", Class: "lab"}, nil, chat.NotFound},
		{"unknown class", Want{Tenant: "other", Class: "gpt-4o"}, nil, chat.NotFound},
		{"no class", Want{Tenant: "other"}, nil, chat.NotFound},
		{"own without a key", Want{Tenant: "other", Class: "chat", Own: map[string][]chat.Secret{"openai": {}}}, []string{"chatglm/glm-4.6", "ernie/ernie-4.5-turbo-128k"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := table.Pick(test.want, nil)
			if diff := cmp.Diff(test.is, choiceNames(got)); diff != "" {
				t.Error(diff)
			}
			if test.is == nil && (err == nil || chat.KindOf(err) != test.kind) {
				t.Errorf("got %v, want kind %v", err, test.kind)
			}
		})
	}
}

func TestPickKeys(t *testing.T) {
	table := mustParse(t, example)
	got, err := table.Pick(Want{Tenant: "t", Class: "chat", Own: map[string][]chat.Secret{"chatglm": own("a", "b")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		keys []string
		own  bool
	}{{[]string{"value of env:OPENAI_API_KEY"}, false}, {[]string{"a", "b"}, true}, {[]string{"value of env:QIANFAN_API_KEY"}, false}} {
		if diff := cmp.Diff(want.keys, reveal(got[i].Keys)); diff != "" || got[i].Own != want.own {
			t.Errorf("choice %d: own %v, keys %s", i, got[i].Own, diff)
		}
	}
	if got[1].Window != 150_000 {
		t.Errorf("window %d", got[1].Window)
	}
}

func TestPickWithoutPlatformKeys(t *testing.T) {
	opt := options()
	opt.Resolve = nil
	table, err := Parse([]byte(example), opt)
	if err != nil {
		t.Fatal(err)
	}
	_, err = table.Pick(Want{Tenant: "t", Class: "chat"}, nil)
	if chat.KindOf(err) != chat.Unauthenticated || !strings.Contains(err.Error(), "set the environment variables") {
		t.Errorf("got %v, want Unauthenticated", err)
	}
	got, err := table.Pick(Want{Tenant: "t", Class: "chat", Own: map[string][]chat.Secret{"ernie": own("k")}}, nil)
	if diff := cmp.Diff([]string{"ernie/ernie-4.5-turbo-128k"}, choiceNames(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := table.Pick(Want{Tenant: "t", Class: "free"}, nil); err != nil || len(got) != 1 || len(got[0].Keys) != 0 {
		t.Errorf("a provider that needs no key: %v, %v", got, err)
	}
}

func TestPickDropsRepeats(t *testing.T) {
	table := mustParse(t, "providers: {p: {dialect: simulated}}\nmodels: {chat: [p/a, p/b, p/a]}\n")
	got, err := table.Pick(Want{Class: "chat"}, nil)
	if diff := cmp.Diff([]string{"p/a", "p/b"}, choiceNames(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// A choice that a caller changes must not change the next pick.
func TestPickIsIndependent(t *testing.T) {
	table := mustParse(t, example)
	first, _ := table.Pick(Want{Tenant: "t", Class: "chat", Allowed: []string{"ernie"}}, nil)
	first[0].Model = "changed"
	got, err := table.Pick(Want{Tenant: "t", Class: "chat"}, nil)
	if diff := cmp.Diff([]string{"openai/gpt-4o-mini", "chatglm/glm-4.6", "ernie/ernie-4.5-turbo-128k"}, choiceNames(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

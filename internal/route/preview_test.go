package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

func TestPreview(t *testing.T) {
	opt := options()
	opt.ReadOnly = true // as operators read it: no key is known
	table, err := Parse([]byte(example), opt)
	if err != nil {
		t.Fatal(err)
	}
	route := []string{"openai/gpt-4o-mini", "chatglm/glm-4.6", "ernie/ernie-4.5-turbo-128k"}
	but := func(name string) func(string) bool { return func(p string) bool { return p != name } }
	for _, test := range []struct {
		name          string
		doc           string
		want          Want
		usable        func(string) bool
		before, after []string
		by            string
	}{
		{"no switch", "", Want{Class: "chat"}, nil, route, route, ""},
		{"all", "{id: s, active: true, to: chatglm}", Want{Class: "chat"}, nil, route, route[1:], "s"},
		{"the tenant's own route", "{id: s, active: true, to: chatglm}", Want{Tenant: "acme", Class: "chat"}, nil,
			[]string{"openai/gpt-4o", "chatglm/glm-4.6"}, []string{"chatglm/glm-4.6"}, "s"},
		{"goes there anyway", "{id: s, active: true, to: openai}", Want{Class: "chat"}, nil, route, route, ""},
		{"goes there anyway, without the first's key", "{id: s, active: true, to: chatglm}", Want{Class: "chat"}, but("openai"), route[1:], route[1:], ""},
		{"to one without a key", "{id: s, active: true, to: chatglm}", Want{Class: "chat"}, but("chatglm"),
			[]string{route[0], route[2]}, []string{route[2]}, "s"},
		{"to one without a key, with nothing else allowed", "{id: s, active: true, to: chatglm}", Want{Class: "chat", Allowed: []string{"openai", "chatglm"}}, but("chatglm"),
			[]string{route[0]}, nil, "s"},
		{"forbidden", "{id: s, active: true, to: chatglm}", Want{Class: "chat", Allowed: []string{"openai"}}, nil, route[:1], nil, "s"},
		{"ramps", "{id: s, active: true, to: chatglm, until: '2026-01-02T12:00:00Z', ramp: 24h}", Want{Class: "chat"}, nil, route, route[1:], "s"},
		{"over", "{id: s, active: true, to: chatglm, until: '2026-01-02T11:00:00Z', ramp: 24h}", Want{Class: "chat"}, nil, route, route, ""},
		{"keys do not count", "{id: s, active: true, to: chatglm}", Want{Class: "chat", Own: map[string][]chat.Secret{"chatglm": {}}}, nil, route, route[1:], "s"},
		{"unknown class", "{id: s, active: true, to: chatglm}", Want{Class: "x"}, nil, nil, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Now = noon.Add(-1)
			got := table.Preview(test.want, mustDegrade(t, "switches: ["+test.doc+"]"), test.usable)
			by := ""
			if got.Switch != nil {
				by = got.Switch.ID
			}
			if diff := cmp.Diff([]any{test.before, test.after, test.by}, []any{got.Before, got.After, by}); diff != "" {
				t.Error(diff)
			}
		})
	}
	two := mustDegrade(t, "switches: [{id: a, active: true, to: openai}, {id: b, active: true, to: chatglm}]")
	if got := table.Preview(Want{Class: "chat", Now: noon}, two, nil); got.Switch != nil || got.First == nil || got.First.ID != "a" {
		t.Errorf("one that decides without effect: %+v", got)
	}
	if got := table.Preview(Want{Class: "chat"}, nil, nil); !cmp.Equal(got.Before, got.After) || got.First != nil {
		t.Errorf("without a document: %v", got)
	}
}

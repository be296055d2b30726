package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidNames(t *testing.T) {
	for s, want := range map[string][2]bool{ // as an id, as a target
		"chatglm": {true, true}, "ChatGLM": {true, false}, "chatglm/": {false, false}, "chatglm/glm-4.6": {false, true}, "a b": {false, false},
		"": {false, false}, "/m": {false, false}, "local/org/model:7b": {false, true}, "全部": {false, false},
	} {
		if got := [2]bool{ValidSwitchID(s), ValidTarget(s)}; got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestNamedModels(t *testing.T) {
	table := mustParse(t, `providers: {p: {dialect: simulated}, q: {dialect: simulated}}
models: {chat: [p/a, q/b], fast: [p/c]}
tenants: {acme: {chat: [p/d, p/a]}}
windows: {new: 1000}
`)
	if diff := cmp.Diff([]string{"a", "c", "d"}, table.Served("p")); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		provider, model string
		want            bool
	}{{"p", "a", true}, {"p", "d", true}, {"p", "b", false}, {"q", "new", true}, {"q", "newer", false}, {"r", "a", false}} {
		if got := table.Names(test.provider, test.model); got != test.want {
			t.Errorf("%s/%s: %v", test.provider, test.model, got)
		}
	}
}

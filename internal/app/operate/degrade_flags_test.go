package operate

import (
	"strings"
	"testing"

	"parley/internal/route"
)

func TestDegradeFlags(t *testing.T) {
	table, err := route.Parse([]byte(planRoutes), route.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o              DegradeOptions
		early, against string // what is wrong, before and after the routes are known
	}{
		"good":             {DegradeOptions{To: "chatglm/glm-4.6", Tenants: []string{"acme", "b-1"}, Providers: []string{"openai"}, ID: "Night_1.a"}, "", ""},
		"two tenants":      {DegradeOptions{To: "chatglm", Tenants: []string{"acme,beta"}}, `--tenant "acme,beta" is no tenant's name; repeat --tenant`, ""},
		"no tenant":        {DegradeOptions{To: "chatglm", Tenants: []string{""}}, `--tenant "" is no tenant's name`, ""},
		"an id":            {DegradeOptions{To: "chatglm", ID: "a b"}, `--id "a b" is no name of a switch`, ""},
		"a long scope":     {DegradeOptions{To: "chatglm", Tenants: []string{strings.Repeat("a", 32), strings.Repeat("b", 32)}}, "--id is missing", ""},
		"capitals":         {DegradeOptions{To: "ChatGLM"}, "", `--to "ChatGLM" must be PROVIDER or PROVIDER/MODEL; providers of parley-routes are chatglm, local, openai`},
		"no model":         {DegradeOptions{To: "chatglm/"}, "", `--to "chatglm/" must be`},
		"two providers":    {DegradeOptions{To: "chatglm", Providers: []string{"a,b"}}, "", `--provider "a,b" is no provider's name; repeat --provider`},
		"a model to leave": {DegradeOptions{To: "chatglm", Providers: []string{"openai/gpt-4o"}}, "", `--provider "openai/gpt-4o" is no provider's name`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, x := range []struct {
				err  error
				want string
			}{{test.o.Check(), test.early}, {test.o.against(table), test.against}} {
				if (x.err == nil) != (x.want == "") || x.err != nil && !strings.Contains(x.err.Error(), x.want) {
					t.Errorf("got %v, want %q", x.err, x.want)
				}
			}
		})
	}
}

package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

const example = `
providers:
  openai:  {dialect: openai,  base_url: https://api.openai.com/v1, key: env:OPENAI_API_KEY}
  chatglm: {dialect: chatglm, base_url: https://open.bigmodel.cn/api/paas/v4/, key: [env:ZHIPU_API_KEY, env:ZHIPU_2_API_KEY], concurrency: 5}
  ernie:   {dialect: ernie,   base_url: https://qianfan.baidubce.com/v2, key: env:QIANFAN_API_KEY}
  local:   {dialect: openai,  base_url: "http://127.0.0.1:11434/v1", http2: prior-knowledge}
  sim:     {dialect: simulated}
windows: {glm-4.6: 150000}
models:
  chat: [openai/gpt-4o-mini, chatglm/glm-4.6, ernie/ernie-4.5-turbo-128k]
  free: local/qwen2.5:7b
tenants:
  acme: {chat: [openai/gpt-4o, chatglm/glm-4.6], lab: [sim/simulated]}
deadlines: {connect: 2s, turn: 60s}
`

// options judge by the example's origins; every key resolves to its own reference's name.
func options() Options {
	return Options{
		Outbound: []string{"https://api.openai.com", "https://open.bigmodel.cn", "https://qianfan.baidubce.com:443", "http://127.0.0.1"},
		Dialects: []string{"openai", "chatglm", "ernie", "simulated"},
		Resolve:  func(ref string) (chat.Secret, error) { return chat.NewSecret("value of " + ref), nil },
	}
}

func mustParse(t *testing.T, doc string) *Table {
	t.Helper()
	table, err := Parse([]byte(doc), options())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func reveal(keys []chat.Secret) (list []string) {
	for _, k := range keys {
		list = append(list, k.Reveal())
	}
	return list
}

func TestParse(t *testing.T) {
	table := mustParse(t, example)
	type provider struct {
		Name, Dialect, BaseURL string
		H2C, NeedsKey          bool
		Concurrency            int
		Keys                   []string
	}
	var got []provider
	for _, p := range table.Providers() {
		got = append(got, provider{p.Name, p.Dialect, p.BaseURL, p.PriorKnowledge, p.NeedsKey, p.Concurrency, reveal(p.Keys)})
		if table.Provider(p.Name) != p {
			t.Errorf("Provider(%q) is another one", p.Name)
		}
	}
	want := []provider{
		{"chatglm", "chatglm", "https://open.bigmodel.cn/api/paas/v4", false, true, 5, []string{"value of env:ZHIPU_API_KEY", "value of env:ZHIPU_2_API_KEY"}},
		{"ernie", "ernie", "https://qianfan.baidubce.com/v2", false, true, 0, []string{"value of env:QIANFAN_API_KEY"}},
		{"local", "openai", "http://127.0.0.1:11434/v1", true, false, 0, nil},
		{"openai", "openai", "https://api.openai.com/v1", false, true, 0, []string{"value of env:OPENAI_API_KEY"}},
		{"sim", "simulated", "", false, false, 0, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Deadlines{2 * time.Second, 30 * time.Second, 20 * time.Second, time.Minute}, table.Deadlines()); diff != "" {
		t.Error(diff)
	}
	for tenant, want := range map[string][]string{"": {"chat", "free"}, "acme": {"chat", "free", "lab"}, "other": {"chat", "free"}} {
		if diff := cmp.Diff(want, table.Models(tenant)); diff != "" {
			t.Errorf("Models(%q): %s", tenant, diff)
		}
	}
	if table.Warnings() != nil {
		t.Errorf("warnings %q", table.Warnings())
	}
}

func TestWindow(t *testing.T) {
	table := mustParse(t, example)
	for model, want := range map[string]int{
		"glm-4.6": 150_000, // by the document
		"glm-4.5": 128_000, "gpt-4o-mini": 128_000, "gpt-4-0613": 8_192, "GPT-4.1-nano": 1_047_576, "glm-5.3": 1_000_000,
		"ernie-4.5-turbo-32k": 32_000, "qwen2.5:7b": UnknownWindow, "": UnknownWindow,
	} {
		if got := table.Window(model); got != want {
			t.Errorf("Window(%q) = %d, want %d", model, got, want)
		}
	}
}

func TestRevision(t *testing.T) {
	opt := options()
	opt.Revision = "r7"
	given, err := Parse([]byte(example), opt)
	if err != nil || given.Revision() != "r7" {
		t.Errorf("revision %q, error %v; want r7", given.Revision(), err)
	}
	a, b := mustParse(t, example), mustParse(t, example+"# changed\n")
	if a.Revision() == "" || a.Revision() == b.Revision() {
		t.Errorf("revisions %q and %q of different documents", a.Revision(), b.Revision())
	}
}

const good = "providers: {p: {dialect: simulated}}\nmodels: {chat: [p/m]}\n"

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name, doc string
		want      []string // line and start of each fault
	}{
		{"empty", "", []string{"0: providers: names no provider"}},
		{"comment", "# nothing\n", []string{"0: providers: names no provider"}},
		{"not YAML", "providers: {\n", []string{"1: not YAML"}},
		{"tab", "providers:\n\tp: x\n", []string{"2: not YAML"}},
		{"a list", "- providers\n", []string{"1: is a list; write a mapping", "1: providers: names no provider"}},
		{"two documents", good + "---\n" + good, []string{"0: the document has several parts"}},
		{"alias", "providers: {p: &a {dialect: simulated}, q: *a}\nmodels: {chat: [p/m]}\n",
			[]string{"1: providers.q: is an alias (*name), which is not supported"}},
		{"unknown section", good + "extra: 1\n", []string{"3: extra: is not known here; known are deadlines, models, providers, tenants, vision, windows"}},
		{"unknown field", "providers:\n  p: {dialect: simulated, kee: env:X_API_KEY}\nmodels: {chat: [p/m]}\n", []string{"2: providers.p.kee: is not known"}},
		{"twice", "providers:\n  p: {dialect: simulated}\n  p: {dialect: simulated}\nmodels: {chat: [p/m]}\n", []string{"3: providers.p: stands twice, first on line 2"}},
		{"provider's name", "providers: {P!: {dialect: simulated}}\nmodels: {chat: [p/m]}\n", []string{
			"1: providers.P!: is no valid name", `2: models.chat[0]: names the provider "p", which is not under`, "2: models.chat: has no valid entry"}},
		{"no dialect", "providers: {p: {}}\nmodels: {chat: [p/m]}\n", []string{
			"1: providers.p.dialect: is missing; write one of openai, chatglm", "1: providers.p.base_url: is missing"}},
		{"dialect", "providers: {p: {dialect: gemini, base_url: http://127.0.0.1}}\nmodels: {chat: [p/m]}\n", []string{`1: providers.p.dialect: "gemini" is not known`}},
		{"simulated with an address", "providers: {p: {dialect: simulated, base_url: http://127.0.0.1}}\nmodels: {chat: [p/m]}\n", []string{"1: providers.p.base_url: does not fit"}},
		{"address", "providers: {p: {dialect: openai, base_url: api.openai.com}}\nmodels: {chat: [p/m]}\n", []string{"1: providers.p.base_url: is no address"}},
		{"user in the address", "providers: {p: {dialect: openai, base_url: 'http://u:p@127.0.0.1'}}\nmodels: {chat: [p/m]}\n", []string{"1: providers.p.base_url: has a user"}},
		{"query", "providers: {p: {dialect: openai, base_url: 'http://127.0.0.1/v1?key=1'}}\nmodels: {chat: [p/m]}\n", []string{"1: providers.p.base_url: has a query other than ?api-version=…"}},
		{"origin", "providers: {p: {dialect: openai, base_url: 'https://evil.example/v1'}}\nmodels: {chat: [p/m]}\n", []string{
			"1: providers.p.base_url: leads to https://evil.example, which is not among the origins under `outbound`"}},
		{"http2", "providers: {p: {dialect: openai, base_url: 'http://127.0.0.1', http2: yes}}\nmodels: {chat: [p/m]}\n", []string{"1: providers.p.http2: must be prior-knowledge"}},
		{"http2 over TLS", "providers: {p: {dialect: openai, base_url: 'https://api.openai.com', http2: prior-knowledge}}\nmodels: {chat: [p/m]}\n",
			[]string{"1: providers.p.http2: prior-knowledge is for a plain http"}},
		{"concurrency", "providers: {p: {dialect: simulated, concurrency: many}}\nmodels: {chat: [p/m]}\n", []string{"1: providers.p.concurrency: must be a whole number"}},
		{"vision", good + "vision: {m: yes, 'a b': true, n: [true]}\n", []string{
			"3: vision.m: must be true or false", "3: vision.a b: is no valid name", "3: vision.n: is a list; write one value"}},
		{"windows", good + "windows: {m: 10, 'a b': 1000, n: [1]}\n", []string{
			"3: windows.m: must be a whole number from 512", "3: windows.a b: is no valid name", "3: windows.n: is a list; write one value"}},
		{"targets", "providers: {p: {dialect: simulated}}\nmodels:\n  chat: [p, q/m, p/, /m, 'p/a b']\n", []string{
			"3: models.chat[0]: must be provider/model", `3: models.chat[1]: names the provider "q", which is not under`,
			"3: models.chat[2]: must be", "3: models.chat[3]: must be", "3: models.chat[4]: must be", "3: models.chat: has no valid entry"}},
		{"empty class", "providers: {p: {dialect: simulated}}\nmodels:\n  chat: []\n", []string{"3: models.chat: has no valid entry"}},
		{"class name", "providers: {p: {dialect: simulated}}\nmodels:\n  'a b': [p/m]\n", []string{"3: models.a b: is no valid name"}},
		{"no models", "providers: {p: {dialect: simulated}}\n", []string{"1: models: names no model; add for example\n  chat: [p/gpt-4o-mini]"}},
		{"tenants", good + "tenants: {ACME: {chat: [p/m]}, b: {chat: [x/m]}, c: 3}\n", []string{
			"3: tenants.ACME: is no valid name", `3: tenants.b.chat[0]: names the provider "x"`, "3: tenants.b.chat: has no valid entry", "3: tenants.c: is a single value"}},
		{"deadlines", good + "deadlines: {connect: soon, first_token: -1s, idle: 2h, later: 1s}\n", []string{
			"3: deadlines.connect: must be a time", "3: deadlines.first_token: must be", "3: deadlines.idle: must be", "3: deadlines.later: is not known"}},
		{"deadlines in disorder", good + "deadlines: {first_token: 50s, turn: 10s}\n", []string{"3: deadlines: connect 5s, first_token 50s and idle 20s must not be longer than turn 10s"}},
		{"too large", good + strings.Repeat("#", maxDocument), []string{"0: the document has"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.doc), options())
			faults, ok := errors.AsType[*Faults](err)
			if !ok {
				t.Fatalf("got %v, want faults", err)
			}
			if chat.KindOf(err) != chat.Invalid {
				t.Errorf("kind %v", chat.KindOf(err))
			}
			var got []string
			for _, f := range faults.List {
				s := fmt.Sprintf("%d: %s", f.Line, f.What)
				if f.Where != "" {
					s = fmt.Sprintf("%d: %s: %s", f.Line, f.Where, f.What)
				}
				got = append(got, s)
			}
			for i, want := range test.want {
				if i < len(got) && strings.HasPrefix(got[i], want) {
					got[i] = want
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFaultsName(t *testing.T) {
	opt := options()
	opt.Source = "routes.yaml"
	_, err := Parse([]byte(good+"x: 1\ny: 2\n"), opt)
	want := "route.parse: invalid: routes.yaml:3: x: is not known here"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "\nroutes.yaml:4: y: is") {
		t.Errorf("got %v\nwant %s… and line 4", err, want)
	}
}

func TestKeys(t *testing.T) {
	doc := func(key string) string {
		return "providers: {p: {dialect: openai, base_url: 'http://127.0.0.1', key: " + key + "}}\nmodels: {chat: [p/m]}\n"
	}
	const canary = "sk-proj-canary0123456789"
	for name, key := range map[string]string{
		"literal": canary, "quoted": "'" + canary + "'", "in a list": "[env:A_API_KEY, " + canary + "]", "other variable": "env:" + canary,
		"file outside": "file:../" + canary + "/.. x", "a mapping": "{" + canary + ": 1}", "lower case": "env:openai_api_key", "no suffix": "env:OPENAI_KEY", "spaces": "'env: A_API_KEY'",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(doc(key)), options())
			if err == nil || !strings.Contains(err.Error(), "must be a reference: an environment variable whose name ends in _API_KEY") {
				t.Errorf("got %v, want a fault", err)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the fault quotes the key: %v", err)
			}
		})
	}
	t.Run("file and age", func(t *testing.T) {
		opt := options()
		opt.Resolve = func(ref string) (chat.Secret, error) { return chat.NewSecret("value of " + ref), nil }
		table, err := Parse([]byte(doc(`[file:openai, "age:-----BEGIN AGE ENCRYPTED FILE-----\nx"]`)), opt)
		if err != nil || len(table.Provider("p").Keys) != 2 {
			t.Errorf("got %v, %v", table, err)
		}
	})
	t.Run("unresolved", func(t *testing.T) {
		opt := options()
		opt.Resolve = func(ref string) (chat.Secret, error) {
			switch ref {
			case "env:A_API_KEY":
				return chat.Secret{}, errors.New("is not set")
			case "env:B_API_KEY":
				return chat.Secret{}, nil
			}
			return chat.NewSecret("c"), nil
		}
		table, err := Parse([]byte(doc("[env:A_API_KEY, env:B_API_KEY, env:C_API_KEY]")), opt)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"providers.p.key[0]: env:A_API_KEY: is not set", "providers.p.key[1]: env:B_API_KEY is empty"}
		if diff := cmp.Diff(want, table.Warnings()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"c"}, reveal(table.Provider("p").Keys)); diff != "" {
			t.Error(diff)
		}
	})
}

// A client service reads the routes for names and deadlines; it neither knows the servers' origins nor holds their keys.
func TestReadOnly(t *testing.T) {
	opt := Options{ReadOnly: true, Resolve: func(string) (chat.Secret, error) {
		t.Error("a key was resolved")
		return chat.Secret{}, nil
	}}
	table, err := Parse([]byte(example), opt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"chat", "free"}, table.Models("")); diff != "" {
		t.Error(diff)
	}
	if _, err := Parse([]byte("providers: {p: {dialect: x}}"), opt); err == nil {
		t.Error("a document without addresses and models passed")
	}
}

func TestOrigins(t *testing.T) {
	for _, test := range []struct {
		outbound, base string
		ok             bool
	}{
		{"https://api.openai.com", "https://api.openai.com/v1", true},
		{"https://api.openai.com", "https://api.openai.com:8443/v1", true},
		{"https://api.openai.com:443", "https://api.openai.com/v1", true},
		{"https://api.openai.com:443/", "https://API.openai.COM/v1", true},
		{"https://api.openai.com:443", "https://api.openai.com:8443/v1", false},
		{"http://127.0.0.1", "http://127.0.0.1:9999", true},
		{"http://[::1]:80", "http://[::1]/v1", true},
		{"https://api.openai.com", "http://api.openai.com/v1", false},
		{"https://api.openai.com", "https://api.openai.com.evil.example/v1", false},
		{"https://api.openai.com", "https://api.openai.com./v1", false},
		{"https://api.openai.com", "https://evil.example/api.openai.com", false},
		{"https://api.openai.com", "https://evil.example\\@api.openai.com", false},
		{"https://api.openai.com", "https://evil.example#@api.openai.com", false},
		{"http://127.0.0.1", "http://2130706433/v1", false},
		{"http://127.0.0.1", "http://[::ffff:127.0.0.1]/v1", false},
		{"ftp://a", "ftp://a/v1", false},
		{"https://api.openai.com/v1", "https://api.openai.com/v1", false}, // no origin: a fault of the static configuration
		{"https://u@api.openai.com", "https://api.openai.com/v1", false},
		{"", "https://api.openai.com/v1", false},
	} {
		t.Run(test.outbound+" "+test.base, func(t *testing.T) {
			opt := options()
			opt.Outbound = nil
			if test.outbound != "" {
				opt.Outbound = []string{test.outbound}
			}
			_, err := Parse(fmt.Appendf(nil, "providers: {p: {dialect: openai, base_url: %q}}\nmodels: {chat: [p/m]}\n", test.base), opt)
			if (err == nil) != test.ok {
				t.Errorf("error %v, want ok %v", err, test.ok)
			}
		})
	}
}

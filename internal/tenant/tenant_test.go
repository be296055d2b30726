package tenant_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/tenant"
)

var update = flag.Bool("update", false, "write the golden files anew")

// settings is the method set that channels read their settings by; Settings must have it.
type settings interface {
	Tenant() string
	Name() string
	String(field string) string
	Optional(field, def string) string
	Int(field string) int64
	Secret(field string) chat.Secret
	Secrets(field string) []chat.Secret
	Faultf(field, format string, args ...any)
}

// resolve knows ACME_A and ACME_B, refuses what is outside acme's scope, and fails for the rest as a secret store does.
func resolve(tenant, ref string) (chat.Secret, error) {
	switch name, ok := strings.CutPrefix(ref, "env:"); {
	case !ok:
		return chat.Secret{}, chat.E(chat.Invalid, "secret", errors.New("is a literal; write env:NAME"))
	case !strings.HasPrefix(name, strings.ToUpper(tenant)+"_"):
		return chat.Secret{}, chat.E(chat.Forbidden, "secret", fmt.Errorf("%s is out of reach; name one of your own", name))
	case name != "ACME_A" && name != "ACME_B":
		return chat.Secret{}, chat.E(chat.NotFound, "secret", fmt.Errorf("%s is not set; set it", name))
	default:
		return chat.NewSecret("value of " + name), nil
	}
}

func options(name string) tenant.Options {
	return tenant.Options{File: "tenant." + name, Name: name, Revision: "r1", Resolve: resolve, Kinds: []string{"wecom", "web"},
		Texts: []string{"busy", "failed", "welcome"}}
}

// wecom and web read settings as channels do, and return what they read.
func read(kind string, s settings) []string {
	show := func(list ...chat.Secret) string {
		var all []string
		for _, v := range list {
			all = append(all, v.Reveal())
		}
		return strings.Join(all, "+")
	}
	switch kind {
	case "wecom":
		got := []string{s.String("corp_id"), fmt.Sprint(s.Int("agent_id")), show(s.Secret("secret")), show(s.Secrets("token")...), show(s.Secrets("aes_key")...)}
		s.Faultf("aes_key", "is never right; this must be said only of a key that could be had")
		return got
	case "web":
		access := s.Optional("access", "token")
		if access != "token" && access != "open" {
			s.Faultf("access", "%q is not known; write token or open", access)
		}
		return []string{access, show(s.Secrets("tokens")...)}
	default:
		return nil
	}
}

func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc := tenant.Decode(content, options("acme"))
			for _, c := range doc.Channels {
				read(c.Kind, c.Settings)
			}
			faults, ok := errors.AsType[tenant.Faults](doc.Err())
			if !ok || len(faults) == 0 {
				t.Fatalf("got %v", doc.Err())
			}
			got := faults.Error() + "\n"
			if diff := cmp.Diff(got, doc.Err().Error()+"\n"); diff != "" {
				t.Errorf("asked again (-first +second)\n%s", diff)
			}
			if strings.Contains(got, "value of") || strings.Contains(got, "literal-secret") {
				t.Error("a fault repeats a secret")
			}
			for _, f := range faults {
				if !strings.Contains(f.String(), "; ") || f.Line == 0 {
					t.Errorf("a fault without line or mend: %s", f)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("faults (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	doc := tenant.Decode([]byte("name: acme"), options("acme"))
	if err := doc.Err(); err != nil {
		t.Fatal(err)
	}
	want := &chat.Tenant{Name: "acme", Model: "chat", Language: "zh", Revision: "r1", Texts: map[string]string{}, Mark: true,
		History: chat.HistoryLimits{Turns: 20, Bytes: 64 << 10, TTL: 30 * time.Minute, Group: "member"},
		Limits:  chat.TenantLimits{UserPerMinute: 20, TurnsInFlight: 5000, MaxWait: 5 * time.Minute, BusyAfter: 30 * time.Second, MaxInput: 8000}}
	if diff := cmp.Diff(want, doc.Tenant, secretsByValue); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(doc.Channels) != 0 {
		t.Errorf("channels %v", doc.Channels)
	}
}

var secretsByValue = cmp.Comparer(func(a, b chat.Secret) bool { return a.Reveal() == b.Reveal() })

func TestDocument(t *testing.T) {
	doc := tenant.Decode([]byte(`
name: acme
state: suspended
model: fast
language: en
system_prompt: |
  You help.
providers: &all [openai, chatglm]
keys: {openai: env:ACME_A, chatglm: [env:ACME_B, env:ACME_A]}
history: {turns: 0, bytes: 2048, ttl: 24h, group: thread}
limits: {per_user_per_minute: 0, turns_in_flight: 1_000, max_wait: 0s, busy_after: 0s, max_input: 0, max_prompt: 6000, max_output: 800,
  tokens_per_day: 5_000_000_000, user_tokens_per_day: 50000}
texts: {busy: later}
mark: false
merge: true
channels:
  - {name: app, kind: wecom, corp_id: 12345, agent_id: 1000002, secret: env:ACME_A, token: env:ACME_A, aes_key: [env:ACME_B, env:ACME_A]}
  - {name: web, kind: web, access: open, tokens: [env:ACME_B]}
`), options("acme"))
	want := &chat.Tenant{
		Name: "acme", Suspended: true, Model: "fast", Language: "en", System: "You help.\n", Revision: "r1",
		Providers: []string{"openai", "chatglm"},
		Keys: map[string][]chat.Secret{"openai": {chat.NewSecret("value of ACME_A")},
			"chatglm": {chat.NewSecret("value of ACME_B"), chat.NewSecret("value of ACME_A")}},
		History: chat.HistoryLimits{Turns: 0, Bytes: 2048, TTL: 24 * time.Hour, Group: "thread"},
		Limits:  chat.TenantLimits{TurnsInFlight: 1000, MaxPrompt: 6000, MaxOutput: 800, TokensPerDay: 5_000_000_000, UserPerDay: 50_000},
		Texts:   map[string]string{"busy": "later"}, Merge: true,
	}
	if diff := cmp.Diff(want, doc.Tenant, secretsByValue); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var got [][]string
	for _, c := range doc.Channels {
		got = append(got, append([]string{c.Name, c.Kind, c.Settings.Name(), c.Settings.Tenant()}, read(c.Kind, c.Settings)...))
	}
	wantRead := [][]string{
		{"app", "wecom", "app", "acme", "12345", "1000002", "value of ACME_A", "value of ACME_A", "value of ACME_B+value of ACME_A"},
		{"web", "web", "web", "acme", "open", "value of ACME_B"},
	}
	if diff := cmp.Diff(wantRead, got); diff != "" {
		t.Errorf("settings (-want +got)\n%s", diff)
	}
	err := doc.Err()
	if err == nil || !strings.HasPrefix(err.Error(), "tenant.acme:17: channels[0].aes_key: is never right") {
		t.Errorf("the channel's own fault is lost: %v", err)
	}
}

func TestUnreadFieldsAreFaults(t *testing.T) {
	doc := tenant.Decode([]byte("name: acme\nchannels:\n  - {name: web, kind: web, tokens: env:ACME_A, colour: red}"), options("acme"))
	read("web", doc.Channels[0].Settings)
	want := "tenant.acme:3: channels[0].colour: is not a field of this kind of channel, or not in this mode; remove it, or check its spelling"
	if err := doc.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestProbed checks a document where its secrets are not: no fault says so, and none about the form of what could not be had.
func TestProbed(t *testing.T) {
	opt := options("acme")
	opt.Resolve = func(tenant, ref string) (chat.Secret, error) {
		v, err := resolve(tenant, ref)
		if chat.KindOf(err) == chat.NotFound {
			return chat.Secret{}, nil
		}
		return v, err
	}
	doc := tenant.Decode([]byte(`
name: acme
keys: {openai: env:ACME_NONE}
channels:
  - {name: app, kind: wecom, corp_id: a, agent_id: 1, secret: env:ACME_NONE, token: env:ACME_NONE, aes_key: env:ACME_NONE}
`), opt)
	for _, c := range doc.Channels {
		read(c.Kind, c.Settings)
	}
	if err := doc.Err(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestAnyName(t *testing.T) {
	doc := tenant.Decode([]byte("name: globex"), tenant.Options{File: "x.yaml", Resolve: resolve})
	if err := doc.Err(); err != nil || doc.Tenant.Name != "globex" {
		t.Errorf("%v, %v", doc.Tenant.Name, err)
	}
}

func TestExample(t *testing.T) {
	content, err := os.ReadFile("../../configs/live/tenant.acme.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("the example has moved")
	} else if err != nil {
		t.Fatal(err)
	}
	opt := options("acme")
	opt.Resolve = func(_, ref string) (chat.Secret, error) { return chat.NewSecret(ref), nil }
	doc := tenant.Decode(content, opt)
	var got []string
	for _, c := range doc.Channels {
		for _, field := range map[string][]string{"wecom": {"corp_id"}, "web": {"access"}}[c.Kind] {
			c.Settings.String(field)
		}
		for _, field := range map[string][]string{"wecom": {"secret", "token", "aes_key"}, "web": {"tokens"}}[c.Kind] {
			c.Settings.Secrets(field)
		}
		if c.Kind == "wecom" {
			c.Settings.Int("agent_id")
		}
		got = append(got, c.Name+" "+c.Kind)
	}
	if err := doc.Err(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"app wecom", "web web"}, got); diff != "" {
		t.Error(diff)
	}
	def := tenant.Decode([]byte("name: acme"), options("acme")).Tenant
	def.System, def.Providers = "你是公司的助手。", []string{"openai", "chatglm", "ernie"}
	if diff := cmp.Diff(def, doc.Tenant, secretsByValue); diff != "" {
		t.Errorf("the example shows the defaults (-default +example)\n%s", diff)
	}
}

// FuzzDecode: no document makes decoding panic, a faultless one is within bounds, and no fault repeats a secret.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "../../configs/live/tenant.*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		opt := options("acme")
		opt.Resolve = func(_, _ string) (chat.Secret, error) { return chat.NewSecret("never-shown"), nil }
		doc := tenant.Decode(content, opt)
		for _, c := range doc.Channels {
			read(c.Kind, c.Settings)
		}
		err := doc.Err()
		if err != nil {
			if strings.Contains(err.Error(), "never-shown") {
				t.Error("a fault repeats a secret")
			}
			return
		}
		d := doc.Tenant
		if d.Name != "acme" || d.Model == "" || d.History.TTL <= 0 || d.History.Turns < 0 || d.Limits.MaxWait < 0 {
			t.Errorf("passed: %+v", d)
		}
	})
}

// An operator's command looks at a document where its secrets are not.
func TestDecodeWithoutSecrets(t *testing.T) {
	doc := tenant.Decode([]byte("name: acme\nkeys: {openai: env:ACME_KEY}\nproviders: [openai]\n"), tenant.Options{Name: "acme"})
	if diff := cmp.Diff([]string{"openai"}, doc.Tenant.Providers); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
}

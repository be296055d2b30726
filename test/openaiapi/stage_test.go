package openaiapi

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/conversation"
	"parley/internal/sim/llm"
	"parley/test/ledger"
	"parley/test/rig"
)

// The keys that the tenants' documents refer to.
const (
	keyOfAcme  = "sk-acme-of-the-test-1"
	newKey     = "sk-acme-of-the-test-2"
	keyOfOther = "sk-globex-of-the-test"
)

// stage is a whole Parley with two tenants, two client services and two servers.
type stage struct {
	*testing.T
	ctx     context.Context
	rig     *rig.Rig
	model   *rig.Model
	servers []*rig.Node
	clients []*rig.Node
}

func newStage(t *testing.T, pace llm.Pace) *stage {
	t.Helper()
	rig.Need(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	s := &stage{T: t, ctx: ctx, rig: r}
	s.model, err = r.StartModel(ctx, pace)
	s.must(err)
	s.publish("acme", "limits: {per_user_per_minute: 0}", "[env:ACME_API_KEY]")
	s.publish("globex", "limits: {per_user_per_minute: 0, turns_in_flight: 3}", "env:GLOBEX_API_KEY")
	for i := range 2 {
		n, err := r.StartServer(ctx, fmt.Sprint("server-", i+1), s.model.Origin, "")
		s.must(err)
		s.servers = append(s.servers, n)
	}
	for i := range 2 {
		n, err := r.StartNode(ctx, "client", fmt.Sprint("client-", i+1),
			[]string{"ACME_API_KEY=" + keyOfAcme, "ACME_API_KEY_2=" + newKey, "GLOBEX_API_KEY=" + keyOfOther},
			func(addr, ops string) string {
				return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [acme, globex]\nlimits: {turns: 500}\n", addr, ops, r.Redis.Addr) + r.Live()
			})
		s.must(err)
		s.clients = append(s.clients, n)
	}
	return s
}

// publish puts a tenant's document in force; further is YAML.
func (s *stage) publish(name, further, keys string) {
	s.Helper()
	s.must(s.rig.Publish(s.ctx, "tenant."+name, fmt.Sprintf(`name: %s
model: chat
system_prompt: 你是%[1]s的助手。
%s
channels:
  - {name: api, kind: openai, keys: %s}
`, name, further, keys)))
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// via is a client of OpenAI's, of another make, that asks a replica with a key.
func (s *stage) via(replica int, key string) *goopenai.Client {
	cfg := goopenai.DefaultConfig(key)
	cfg.BaseURL = "http://" + s.clients[replica].Addr + "/v1"
	return goopenai.NewClientWithConfig(cfg)
}

// question is the one that a person asks first.
func question(person string) goopenai.ChatCompletionRequest {
	return goopenai.ChatCompletionRequest{Model: "chat", Messages: []goopenai.ChatCompletionMessage{
		{Role: "user", Content: ledger.Question(ledger.ID{Person: person, N: 1})},
	}}
}

// answers says whether text answers exactly this dialog.
func answers(text string, dialog []goopenai.ChatCompletionMessage) bool {
	var lines []ledger.Line
	for _, m := range dialog {
		lines = append(lines, ledger.Line{Role: m.Role, Text: m.Content})
	}
	return strings.HasPrefix(text, ledger.Answer(lines))
}

// entries are the calls to the model whose last message holds text.
func (s *stage) entries(text string) (list []llm.Entry) {
	s.Helper()
	all, err := s.model.Ledger(s.ctx)
	s.must(err)
	for _, e := range all {
		if strings.Contains(e.Last, text) {
			list = append(list, e)
		}
	}
	return list
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(what string, probe func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !probe(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.Fatal("it never came to this: " + what)
		}
	}
}

// spent is what a tenant's programs spent today, as `parley status` tells: calls and tokens by model, and by how many keys.
func (s *stage) spent(tenant string) (by map[string]conversation.Tokens, keys int) {
	s.Helper()
	out, err := s.rig.Parley(s.ctx, nil, "status", "--json", "--config", filepath.Join(s.rig.Dir, "client-1.yaml"))
	if err != nil {
		s.Fatalf("parley status: %v\n%s", err, out)
	}
	var report struct {
		Tenants []struct {
			Tenant string
			Usage  struct {
				Items  []conversation.ItemUsage `json:"by_model"`
				People int
			} `json:"usage_today"`
		}
	}
	s.must(json.Unmarshal([]byte(out), &report))
	by = map[string]conversation.Tokens{}
	for _, t := range report.Tenants {
		if t.Tenant == tenant {
			keys = t.Usage.People
			for _, i := range t.Usage.Items {
				by[i.Provider+"/"+i.Model] = by[i.Provider+"/"+i.Model].Plus(i.Tokens)
			}
		}
	}
	return by, keys
}

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/rig"
)

// replicas of the client service, each of all tenants, and servers.
const replicas = 2

// town is everything that runs, for all measurements.
type town struct {
	*rig.Rig
	people  *people
	sim     *wecom.Sim
	refs    map[string]wecom.Ref // by tenant
	model   *rig.Model
	clients []*rig.Node
	servers []*rig.Node
}

// Texts that a tenant says in place of an answer, made so that each names itself.
var texts = []string{"busy", "late", "rate", "failed", "timeout", "rejected"}

func newTown(ctx context.Context, g *rig.Rig, tenants map[string]string) (*town, error) {
	t := &town{Rig: g, people: newPeople(), refs: map[string]wecom.Ref{}}
	// WeCom's own limit a member is met by nobody: people are many, and write seldom.
	t.sim = wecom.New(wecom.Options{OnShown: t.people.shown})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: t.sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if t.model, err = g.RunModel(ctx, rig.ModelOptions{}); err != nil {
		return nil, err
	}
	if err := t.allow(ctx, 0, 0, llm.Pace{}); err != nil {
		return nil, err
	}
	for name, limits := range tenants {
		if err := g.Publish(ctx, "tenant."+name, document(name, limits)); err != nil {
			return nil, err
		}
	}
	if err := t.start(ctx, slices.Sorted(maps.Keys(tenants)), "http://"+l.Addr().String()); err != nil {
		return nil, err
	}
	return t, t.open(tenants)
}

// start starts the servers and the replicas side by side.
func (t *town) start(ctx context.Context, tenants []string, platform string) error {
	t.servers, t.clients = make([]*rig.Node, replicas), make([]*rig.Node, replicas)
	errs := make([]error, 2*replicas)
	var wg sync.WaitGroup
	var env []string
	for _, name := range tenants {
		env = append(env, environment(name)...)
	}
	for i := range replicas {
		wg.Go(func() { t.servers[i], errs[2*i] = t.StartServer(ctx, fmt.Sprint("server", i+1), t.model.Origin, "") })
		wg.Go(func() {
			t.clients[i], errs[2*i+1] = t.StartNode(ctx, "client", fmt.Sprint("client", i+1), env, func(addr, ops string) string {
				return fmt.Sprintf("http:     {listen: %q, ops: %q}\nredis:    {addrs: [%q]}\ntenants:  [%s]\nplatforms: {wecom: %q}\n",
					addr, ops, t.Redis.Addr, strings.Join(tenants, ", "), platform) + t.Live()
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// open makes a balancer before the replicas the entry of every tenant.
func (t *town) open(tenants map[string]string) error {
	var addrs []string
	for _, c := range t.clients {
		addrs = append(addrs, c.Addr)
	}
	for name := range tenants {
		app := application(name)
		for _, a := range addrs {
			app.Callbacks = append(app.Callbacks, "http://"+a+"/callback/"+name+"/app")
		}
		if err := t.sim.AddApp(app); err != nil {
			return err
		}
		t.refs[name] = app.Ref
	}
	return nil
}

// allow sets how many calls at once the model takes, and how many the routes say that it does (0: any number), and how long its answers take. It
// returns once the servers had time to hear of it; that they did is seen by the model, which refuses a call too many.
func (t *town) allow(ctx context.Context, places, known int, pace llm.Pace) error {
	err := errors.Join(t.model.SetLimits(ctx, llm.LimitTable{Default: llm.Limits{Concurrency: places}}), t.model.SetPace(ctx, pace), t.model.Forget(ctx))
	if err != nil {
		return err
	}
	err = t.Publish(ctx, "parley-routes", fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge, concurrency: %d}
models:
  chat: [openai/gpt-4o-mini]
`, t.model.BaseURL(), known))
	if err != nil || t.servers == nil {
		return err
	}
	return pause(ctx, 1500*time.Millisecond)
}

// within is a pace at which an answer takes so long.
func within(answer time.Duration) llm.Pace {
	return llm.Pace{First: answer / 2, Between: answer / 2, Chunks: 2}
}

func application(tenant string) wecom.App {
	return wecom.App{Ref: wecom.Ref{CorpID: "ww" + tenant, AgentID: 1000002}, Secret: "secret-of-" + tenant, Token: "TokenOfTheRig",
		AESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"}
}

func environment(tenant string) []string {
	app, prefix := application(tenant), strings.ToUpper(tenant)+"_"
	return []string{prefix + "SECRET=" + app.Secret, prefix + "TOKEN=" + app.Token, prefix + "AES=" + app.AESKey}
}

func document(tenant, limits string) string {
	app, prefix := application(tenant), strings.ToUpper(tenant)+"_"
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nmodel: chat\nsystem_prompt: 你是公司的助手。\nlimits: {%s}\nchannels:\n", tenant, limits)
	fmt.Fprintf(&b, "  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:%[3]sSECRET, token: env:%[3]sTOKEN, aes_key: env:%[3]sAES}\ntexts:\n",
		app.CorpID, app.AgentID, prefix)
	for _, name := range texts {
		fmt.Fprintf(&b, "  %s: 【言 %[1]s】\n", name)
	}
	b.WriteString("  crowded: 【言 crowded】{minutes}\n")
	return b.String()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/liveconfig"
	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/realdeps"
	"parley/test/rig"
)

// stage is everything that runs, and the secrets that are in force.
type stage struct {
	own      realdeps.Nacos
	server   *realdeps.Server // Nacos
	rig      *rig.Rig
	people   *crowd.Crowd
	company  rig.Company
	model    *rig.Model
	balancer *rig.Balancer
	clients  []*rig.Node
	servers  []*rig.Node
	admin    *redis.Client // of Redis, as a user whose login does not change

	passwords, acme, routes *mount
	tls                     map[string]*mount // of servers, of clients
	authority               *authority
	redis, nacos, provider  string // the secrets in force
	keyRef, pairRef         string // the files of the provider's key, and of token and AES key
	issued, pairs           int
	revoked                 []llm.Rule
	redisTurn, app          sync.Mutex // one rotation at a time
}

// secret makes one that there was not before.
func (s *stage) secret(kind string) string { return kind + "-" + rand.Text() }

func (s *stage) dir() string { return filepath.Join(s.rig.Dir, "secrets") }

func (s *stage) close() {
	if s.balancer != nil {
		s.balancer.Close()
	}
	if s.admin != nil {
		_ = s.admin.Close()
	}
}

// raise starts two clients behind one entry, and two servers.
func (s *stage) raise(ctx context.Context) error {
	s.passwords, s.acme, s.routes = newMount(s.dir()), newMount(filepath.Join(s.dir(), "acme")), newMount(filepath.Join(s.dir(), "_routes"))
	s.tls = map[string]*mount{"server": newMount(filepath.Join(s.rig.Dir, "tls-server")), "client": newMount(filepath.Join(s.rig.Dir, "tls-client"))}
	for _, step := range []func(context.Context) error{s.users, s.certificates, s.outside, s.nodes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// users makes Parley's user in Redis and in Nacos.
func (s *stage) users(ctx context.Context) error {
	s.admin = redis.NewClient(&redis.Options{Addr: s.rig.Redis.Addr})
	s.redis = s.secret("redis")
	if err := s.admin.Do(ctx, "ACL", "SETUSER", "parley", "on", ">"+s.redis, "~parley:*", "&parley:*", "+@all").Err(); err != nil {
		return err
	}
	s.nacos = s.secret("nacos")
	n := s.rig.Nacos
	for _, call := range []struct {
		path string
		form url.Values
	}{
		{"/nacos/v3/auth/user", url.Values{"username": {"parley"}, "password": {s.nacos}}},
		{"/nacos/v3/auth/role", url.Values{"username": {"parley"}, "role": {"parley"}}},
		{"/nacos/v3/auth/permission", url.Values{"role": {"parley"}, "resource": {n.Namespace + ":*:*"}, "action": {"rw"}}},
	} {
		if err := n.Post(ctx, call.path, call.form); err != nil {
			return err
		}
	}
	return s.passwords.text("redis", s.redis, "nacos", s.nacos)
}

func (s *stage) certificates(context.Context) (err error) {
	if s.authority, err = newAuthority("authority-0"); err != nil {
		return err
	}
	for side := range s.tls {
		if err := s.issue(side, s.authority, s.authority.pem); err != nil {
			return err
		}
	}
	return nil
}

// issue gives a side a new certificate, and whom it trusts.
func (s *stage) issue(side string, by *authority, trusted []byte) error {
	files, err := by.issue(map[string]string{"server": "parley://server", "client": "parley://tenant/acme"}[side])
	if err != nil {
		return err
	}
	files["ca.pem"] = trusted
	return s.tls[side].put(files)
}

func (s *stage) outside(ctx context.Context) (err error) {
	if s.company, err = s.rig.NewCompany(ctx, s.people.Shown, -1); err != nil {
		return err
	}
	app := s.company.App
	if err := s.acme.text("secret", app.Secret, "token", app.Token, "aes", app.AESKey); err != nil {
		return err
	}
	if err := s.rig.Publish(ctx, "tenant.acme", s.tenant("file:token", "file:aes")); err != nil {
		return err
	}
	s.provider, s.keyRef = "sk-"+s.secret("provider"), "openai"
	if err := s.routes.text(s.keyRef, s.provider); err != nil {
		return err
	}
	if s.model, err = s.rig.RunModel(ctx, rig.ModelOptions{Pace: llm.Pace{First: 200 * time.Millisecond, Between: 40 * time.Millisecond, Chunks: 10}}); err != nil {
		return err
	}
	return s.rig.Publish(ctx, "parley-routes", s.table("file:openai"))
}

func (s *stage) tenant(token, aes string) string {
	return fmt.Sprintf(`name: acme
system_prompt: 你是公司的助手。
history: {turns: %d, ttl: 30m, group: member}
limits: {per_user_per_minute: 600, turns_in_flight: 20000}
channels:
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: file:secret, token: %s, aes_key: %s}
`, s.company.Window, s.company.App.CorpID, s.company.App.AgentID, token, aes)
}

func (s *stage) table(key string) string {
	return fmt.Sprintf("providers:\n  openai: {dialect: openai, base_url: %s, key: %s, http2: prior-knowledge}\nmodels:\n  chat: [openai/gpt-4o-mini]\n", s.model.BaseURL(), key)
}

func (s *stage) nodes(ctx context.Context) error {
	shared := fmt.Sprintf("secrets: {dir: %q}\nlive: {source: nacos}\nregistry: {mode: nacos, nacos: {addrs: [%q], namespace: %q, username: parley, password: \"file:nacos\"}}\n",
		s.dir(), s.rig.Nacos.Addr, s.rig.Nacos.Namespace)
	tls := func(side string) string {
		m := s.tls[side]
		return fmt.Sprintf("tls: {ca: %q, cert: %q, key: %q}", m.path("ca.pem"), m.path("cert.pem"), m.path("key.pem"))
	}
	for i := range 2 {
		n, err := s.rig.StartNode(ctx, "server", fmt.Sprintf("server-%d", i+1), nil, func(addr, ops string) string {
			// Connections are made anew every 2 s, so that certificates count at once.
			return fmt.Sprintf("rpc: {listen: %q, renew: 2s, %s}\nhttp: {ops: %q}\noutbound: [%q]\n", addr, tls("server"), ops, s.model.Origin) + shared
		})
		if err != nil {
			return err
		}
		s.servers = append(s.servers, n)
	}
	var entries []string
	for i := range 2 {
		n, err := s.rig.StartNode(ctx, "client", fmt.Sprintf("client-%d", i+1), nil, func(addr, ops string) string {
			return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q], username: parley, password: \"file:redis\"}\nrpc: {%s}\ntenants: [acme]\nplatforms: {wecom: %q}\n",
				addr, ops, s.rig.Redis.Addr, tls("client"), s.company.Platform) + shared
		})
		if err != nil {
			return err
		}
		s.clients = append(s.clients, n)
		entries = append(entries, n.Addr)
	}
	var err error
	if s.balancer, err = rig.NewBalancer(entries...); err != nil {
		return err
	}
	return s.company.Entry(s.balancer.Addr)
}

func (s *stage) all() []*rig.Node { return append(append([]*rig.Node{}, s.clients...), s.servers...) }

// publish publishes a document and waits until each of the nodes has it in force.
func (s *stage) publish(ctx context.Context, nodes []*rig.Node, name, content string) error {
	if err := s.rig.Publish(ctx, name, content); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := await(ctx, n.Name+" has "+name, func() bool {
			body, err := fetch(ctx, "http://"+n.Ops+"/readyz")
			return err == nil && strings.Contains(body, liveconfig.Revision([]byte(content)))
		}); err != nil {
			return err
		}
	}
	return nil
}

// said counts a text in what a node printed so far.
func said(n *rig.Node, text string) int {
	log, _ := os.ReadFile(n.Log)
	return strings.Count(string(log), text)
}

// awaitSaid waits until each of the nodes has printed a text so many times more than it had when the function was made.
func awaitSaid(nodes []*rig.Node, text string, times int) func(context.Context) error {
	before := map[*rig.Node]int{}
	for _, n := range nodes {
		before[n] = said(n, text)
	}
	return func(ctx context.Context) error {
		for _, n := range nodes {
			if err := await(ctx, fmt.Sprintf("%s says %q", n.Name, text), func() bool { return said(n, text) >= before[n]+times }); err != nil {
				return err
			}
		}
		return nil
	}
}

func await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !ok() {
		if ctx.Err() != nil {
			return fmt.Errorf("not within a minute: %s", what)
		}
		pause(ctx, 100*time.Millisecond)
	}
	return nil
}

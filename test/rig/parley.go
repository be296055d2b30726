package rig

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"parley/test/realdeps"
)

// Node is one Parley process.
type Node struct {
	*Process
	Addr  string // a client's public address, a server's RPC address
	Ops   string
	Debug string // pprof; of StartClient and StartServer only
	// Binary is what Restart starts; empty: the rig's own. Set it while nothing else uses the node.
	Binary string

	rig  *Rig
	role string
	env  []string
}

// readyWithin bounds a start. Nothing is measured with it.
const readyWithin = 60 * time.Second

// StartClient starts a client service of the tenant and returns once it is ready. extra is YAML added to its client.yaml.
func (r *Rig) StartClient(ctx context.Context, name string, c Company, extra string) (*Node, error) {
	return r.startNode(ctx, "client", name, c.Env(), func(addr, ops, debug string) string {
		return fmt.Sprintf(`http:     {listen: %q, ops: %q, debug: %q}
redis:    {addrs: [%q]}
tenants:  [%s]
platforms: {wecom: %q}
`, addr, ops, debug, r.Redis.Addr, c.Tenant, c.Platform) + r.live() + extra
	})
}

// StartServer starts a server instance that may call the origin and returns once it is ready, that is, registered.
func (r *Rig) StartServer(ctx context.Context, name, origin, extra string) (*Node, error) {
	return r.startNode(ctx, "server", name, []string{"OPENAI_API_KEY=sk-rig"}, func(addr, ops, debug string) string {
		return fmt.Sprintf(`rpc:      {listen: %q}
http:     {ops: %q, debug: %q}
outbound: [%q]
`, addr, ops, debug, origin) + r.live() + extra
	})
}

func (r *Rig) live() string {
	return fmt.Sprintf("registry: {mode: nacos, nacos: {addrs: [%q], namespace: %q}}\nlive:     {source: nacos}\n", r.Nacos.Addr, r.Nacos.Namespace)
}

func (r *Rig) startNode(ctx context.Context, role, name string, env []string, config func(addr, ops, debug string) string) (*Node, error) {
	n := &Node{rig: r, role: role, env: append(env[:len(env):len(env)], r.env...)}
	for _, into := range []*string{&n.Addr, &n.Ops, &n.Debug} {
		var err error
		if *into, err = realdeps.FreeAddr(); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(r.configOf(name), []byte(config(n.Addr, n.Ops, n.Debug)), 0o600); err != nil {
		return nil, err
	}
	if err := n.start(ctx, name); err != nil {
		return nil, err
	}
	return n, nil
}

func (r *Rig) configOf(name string) string { return filepath.Join(r.Dir, name+".yaml") }

func (n *Node) start(ctx context.Context, name string) (err error) {
	if n.Process, err = n.rig.spawn(name, n.env, cmp.Or(n.Binary, n.rig.binary), n.role, "--config", n.rig.configOf(name)); err != nil {
		return err
	}
	return n.ready(ctx)
}

func (n *Node) ready(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := n.waitFor(ctx, "ready", func(ctx context.Context) error {
		body, err := get(ctx, "http://"+n.Ops+"/readyz")
		if err == nil {
			body.Close()
		}
		return err
	})
	if err == nil {
		n.rig.Logf("%s is ready after %s", n.Name, time.Since(began).Round(10*time.Millisecond))
	}
	return err
}

// Restart starts a node that has ended again, with the same configuration and addresses.
func (n *Node) Restart(ctx context.Context) (*Node, error) {
	if n.Alive() {
		return nil, fmt.Errorf("%s has not ended", n.Name)
	}
	again := &Node{Addr: n.Addr, Ops: n.Ops, Debug: n.Debug, Binary: n.Binary, rig: n.rig, role: n.role, env: n.env}
	return again, again.start(ctx, n.Name)
}

// Metrics scrapes the node.
func (n *Node) Metrics(ctx context.Context) (Metrics, error) {
	return scrape(ctx, "http://"+n.Ops+"/metrics")
}

package operate_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/rpc"
)

// TestDrainOverNacos: one of two servers is taken out of use and brought back; the last one only by force.
func TestDrainOverNacos(t *testing.T) {
	if elsewhere(t) {
		return
	}
	f := newFleetTest(t)
	nodes := []*node{f.node(f.nacos.addr).start(), f.node(f.nacos.addr).start()}
	for _, n := range nodes {
		n.ready()
	}
	f.path = nodes[0].path
	eventually(t, "the client knows both", func() bool { return len(f.client.Servers()) == 2 })
	a, b := nodes[0].rpc, nodes[1].rpc
	drain := func(o operate.DrainOptions) error {
		var out bytes.Buffer
		return operate.Drain(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, f.path, o)
	}
	out := f.command(func(env wire.Env) error {
		return operate.Drain(t.Context(), env, f.path, operate.DrainOptions{Server: a, Reason: "new disks"})
	})
	contains(t, out, a+" has the weight 0", `"action":"drain"`, `"reason":"new disks"`)
	weighs := func(server string, weight float64) { // the command waits until its own client has heard; this one hears by itself
		t.Helper()
		eventually(t, "the client hears of it", func() bool {
			return slices.ContainsFunc(f.client.Servers(), func(s rpc.Instance) bool { return s.Address == server && s.Weight == weight })
		})
	}
	weighs(a, 0)
	before := f.streams(nodes[0])
	f.want("with one drained", 8, "openai")
	if after := f.streams(nodes[0]); after != before {
		t.Errorf("the drained server answered: %s, before %s", after, before)
	}
	out = f.command(func(env wire.Env) error { return operate.Status(t.Context(), env, f.path, false) })
	contains(t, out, a, "up")
	if err := drain(operate.DrainOptions{Server: b}); err == nil || !strings.Contains(err.Error(), "no other server would take turns") {
		t.Errorf("the last one: %v", err)
	}
	if err := drain(operate.DrainOptions{Server: "127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "no server 127.0.0.1:1 is registered") {
		t.Errorf("one that nobody knows: %v", err)
	}
	if err := drain(operate.DrainOptions{Server: b, Force: true}); err != nil {
		t.Error(err)
	}
	for _, server := range []string{a, b} {
		f.command(func(env wire.Env) error {
			return operate.Undrain(t.Context(), env, f.path, operate.DrainOptions{Server: server, Weight: 2})
		})
	}
	weighs(a, 2)
	weighs(b, 2)
	f.want("with both back", 8, "openai")
}

// streams is how many completions a server has begun, as its metrics tell.
func (f *fleetTest) streams(n *node) string {
	_, body := n.get("/metrics")
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "parley_llm_turns_total") {
			return line
		}
	}
	return "none"
}

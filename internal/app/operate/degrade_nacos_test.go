package operate_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/chat"
	simllm "parley/internal/sim/llm"
)

// TestSwitchOverNacos is an operator's evening: a switch on real servers over a real Nacos, from its first publication to its end.
func TestSwitchOverNacos(t *testing.T) {
	if elsewhere(t) {
		return
	}
	f := newFleetTest(t)
	nodes := []*node{f.node(f.nacos.addr).start(), f.node(f.nacos.addr).start(), f.node(f.nacos.addr).start()}
	for _, n := range nodes {
		n.ready()
	}
	f.path = nodes[0].path
	eventually(t, "the client knows three servers", func() bool { return len(f.client.Servers()) == 3 })
	f.want("before", 6, "openai")

	// Streams that run when the switch comes end where they are.
	f.models["openai"].SetPace(simllm.Pace{First: 20 * time.Millisecond, Between: 250 * time.Millisecond, Chunks: 24})
	var running sync.WaitGroup
	begun := make(chan string, 6)
	for i := range cap(begun) {
		running.Go(func() {
			reply, err := f.ask(fmt.Sprint("slow", i), func(s chat.Start) { begun <- s.Provider })
			if err != nil || reply.Provider != "openai" || reply.Degraded || reply.FinishReason != "stop" {
				t.Errorf("a running stream ended with %+v, %v", reply, err)
			}
		})
	}
	for range cap(begun) {
		if who := <-begun; who != "openai" {
			t.Errorf("a stream began at %s", who)
		}
	}
	f.nacos.publish("parley-degradation", "switches: [{id: all, active: true, to: chatglm, by: console, reason: outage}]")
	f.all("a document that did not exist", "", nodes...)
	f.want("degraded", 6, "chatglm degraded")
	running.Wait()
	if st := f.models["openai"].Stats(); st.Running != 0 {
		t.Errorf("%d streams still run at the old provider", st.Running)
	}
	f.models["openai"].SetPace(simllm.Pace{})

	// A server that has just started takes a change that comes before the SDK listens.
	young := f.node(f.nacos.addr).start().ready()
	nodes = append(nodes, young)
	old := young.degradation().Revision
	f.nacos.publish("parley-degradation", "switches: [{id: all, active: true, to: chatglm/glm-5, by: console, reason: outage}]")
	f.all("a server that has just started", old, nodes...)

	// A server that starts again is degraded from its first turn.
	nodes[0].kill()
	nodes[0].start().ready()
	eventually(t, "the client sees it again", func() bool {
		up := 0
		for _, s := range f.client.Servers() {
			if s.Up {
				up++
			}
		}
		return up == 4
	})
	f.want("after a restart", 12, "chatglm degraded")

	f.refused(nodes)
	f.removed(nodes)
	f.ramp(nodes)
	for _, n := range nodes {
		contains(t, n.log.String(), `"action":"switch on"`, `"by":"console"`, `"reason":"outage"`)
	}
}

// refused: a faulty edit changes nothing, and every place that an operator looks at says so.
func (f *fleetTest) refused(nodes []*node) {
	t := f.t
	good := nodes[0].degradation().Revision
	f.nacos.publish("parley-degradation", "switches:\n  - id: all\n    active: yes\n    too: chatglm\n")
	for _, n := range nodes {
		eventually(t, "refused", func() bool { return n.degradation().Refused != "" })
		if d := n.degradation(); d.Revision != good {
			t.Errorf("a faulty document replaced %s by %s", good, d.Revision)
		}
		code, body := n.readyz()
		if code != http.StatusOK {
			t.Errorf("/readyz answers %d", code)
		}
		contains(t, body, "parley-degradation:3", "active: must be true or false", "too: is not known here")
	}
	f.want("with a faulty document", 8, "chatglm degraded")
	out := f.command(func(env wire.Env) error { return operate.Status(t.Context(), env, f.path, false) })
	contains(t, out, "(newest refused)", "active: must be true or false", "parley-degradation:4")
}

// removed: deleting the document restores nothing, and `parley restore` does.
func (f *fleetTest) removed(nodes []*node) {
	t := f.t
	f.nacos.remove("parley-degradation")
	for _, n := range nodes {
		eventually(t, "the removal is seen", func() bool { return strings.Contains(n.degradation().Refused, "disappeared") })
	}
	f.want("with the document removed", 8, "chatglm degraded")
	out := f.command(func(env wire.Env) error { return operate.Status(t.Context(), env, f.path, false) })
	contains(t, out, "does not exist any more", "`parley restore` ends the degradation", "all → chatglm")
	out = f.command(func(env wire.Env) error { return operate.Restore(t.Context(), env, f.path, operate.RestoreOptions{}) })
	contains(t, out, "in force on 4 of 4 servers")
	f.want("restored", 8, "openai")
}

// ramp: turns return by share, and all of them in the end, without anybody's doing.
func (f *fleetTest) ramp(nodes []*node) {
	t := f.t
	out := f.command(func(env wire.Env) error {
		return operate.Degrade(t.Context(), env, f.path, operate.DegradeOptions{To: "chatglm", Reason: "again"})
	})
	contains(t, out, "openai/gpt-4o", "chatglm/glm-4.6", "in force on 4 of 4 servers", `"action":"degrade"`)
	f.want("degraded by the command", 8, "chatglm degraded")
	f.command(func(env wire.Env) error {
		return operate.Restore(t.Context(), env, f.path, operate.RestoreOptions{Ramp: 6 * time.Second, Reason: "OpenAI is back"})
	})
	seen := f.answers(20) // of which some may be back already
	if seen["openai"] < 20 {
		eventually(t, "more are back", func() bool { return f.answers(20)["openai"] > seen["openai"] })
	}
	eventually(t, "all are back", func() bool { return f.answers(8)["openai"] == 8 })
	for _, n := range nodes {
		eventually(t, "the end is recorded", func() bool { return strings.Contains(n.log.String(), `"action":"switch over"`) })
	}
}

// TestRestartWithoutNacos: a server that starts while Nacos is away waits for it, and never answers as if there were no switch.
func TestRestartWithoutNacos(t *testing.T) {
	if elsewhere(t) {
		return
	}
	f := newFleetTest(t)
	f.nacos.publish("parley-degradation", "switches: [{id: all, active: true, to: chatglm}]")
	p := newNacosDoor(t, f.nacos.addr)
	p.set(true)
	n := f.node(p.addr).start().ready()
	eventually(t, "the client knows it", func() bool { return len(f.client.Servers()) == 1 })
	f.want("degraded", 4, "chatglm degraded")

	p.set(false)
	f.want("while Nacos is away", 4, "chatglm degraded")
	n.kill()
	n.start()
	for range 20 {
		if reply, err := f.ask("c", nil); err == nil {
			t.Fatalf("a server that knows no switch answers: %+v", reply)
		}
		if code, _ := n.readyz(); code == http.StatusOK {
			t.Fatal("it is ready without its documents")
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.set(true)
	n.ready()
	eventually(t, "it answers again", func() bool { _, err := f.ask("c", nil); return err == nil })
	f.want("after Nacos came back", 4, "chatglm degraded")
}

package feishu

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

func TestThereAndBack(t *testing.T) {
	for name, changes := range map[string]map[string]any{"cards": nil, "plain": {"card": "false"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, nil)
			w.register(t, w.entry(t, changes), w.entry(t, changes))
			if err := w.sim.Verify(t.Context(), testApp); err != nil {
				t.Fatal(err)
			}
			m := w.push(t, sim.Message{User: "ou_zhang", Text: " 你好 <b>"})
			if m.Text != "你好 <b>" || m.User != "ou_zhang" || m.Kind != chat.KindText || m.SentAt.IsZero() {
				t.Fatalf("accepted %+v", m)
			}
			if err := answer(t, w.replica(t, changes), m, "**您好**\n\n- 一"); err != nil {
				t.Fatal(err)
			}
			shown := w.await(t, "oc_p2p_ou_zhang", 1)
			want := []sim.Shown{{Chat: "oc_p2p_ou_zhang", ReplyTo: m.ID, Root: m.ID, Type: "interactive", Text: "**您好**\n\n- 一"}}
			if changes != nil {
				want[0].Type = "post"
			}
			if diff := cmp.Diff(want, trim(shown)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// trim leaves of what was shown what tests compare.
func trim(shown []sim.Shown) (list []sim.Shown) {
	for _, m := range shown {
		list = append(list, sim.Shown{
			Chat: m.Chat, ReplyTo: m.ReplyTo, Thread: m.Thread, Root: m.Root, Type: m.Type, Text: m.Text, Mentions: m.Mentions, Streaming: m.Streaming,
		})
	}
	return list
}

func TestLongAnswer(t *testing.T) {
	w := newWorld(t, sim.Options{PerChat: -1}, nil)
	w.register(t, w.entry(t, nil))
	m := w.push(t, sim.Message{User: "ou_zhang", Text: "说长一点"})
	text := strings.Repeat("他说：\"很长\"\\n的回答。\n", 3000)
	c := w.replica(t, nil)
	if err := show(t, c, m, text); err != nil {
		t.Fatal(err)
	}
	if err := answer(t, c, m, text); err != nil {
		t.Fatal(err)
	}
	parts, _ := c.Parts(m, text, 1)
	shown := w.await(t, "oc_p2p_ou_zhang", len(parts))
	if len(parts) < 3 || len(shown) != len(parts) {
		t.Fatalf("%d parts made %d messages", len(parts), len(shown))
	}
	for i, m := range shown {
		if want := textOf(t, parts[i]); m.Text != want || m.Streaming {
			t.Errorf("message %d is %.60q, streaming %v; want %.60q", i, m.Text, m.Streaming, want)
		}
	}
}

package conversation_test

import (
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

// TestAModelsTextIsMarked, at its very end, and nothing else is; the history keeps the answer as the model gave it.
func TestAModelsTextIsMarked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Mark, w.tenant.Limits.MaxInput = true, 20
		p := w.start()
		for i, said := range []string{"one", "/status", strings.Repeat("x", 21), "two"} {
			w.say(p, string(rune('1'+i)), said)
			settle(5 * time.Second)
		}
		shown(t, w, "re: one (0)\n\n（AI 生成）", "模型：chat\n已记住的对话：1 轮（最多 20 轮）\n排队中的消息：0 条", "这条消息太长了，请缩短后再发。",
			"re: two (1)\n\n（AI 生成）")
		if h := w.llm.calls[1].History; len(h) != 1 || h[0].Answer != "re: one (0)" {
			t.Errorf("history %+v", h)
		}
	})
}

func TestTheMark(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world)
		want   string
	}{
		"off":            {func(w *world) { w.tenant.Mark = false }, "re: one (0)"},
		"in English":     {func(w *world) { w.tenant.Language = "en" }, "re: one (0)\n\n(AI-generated)"},
		"in other words": {func(w *world) { w.tenant.Texts = map[string]string{"mark": "—— AI"} }, "re: one (0)\n\n—— AI"},
		"an apology":     {func(w *world) { w.llm.fail = func(int) error { return chat.E(chat.Rejected, "test", nil) } }, "抱歉，这个问题的内容无法回答。"},
		"a partial text, which is the model's, too": {func(w *world) {
			w.out.live, w.llm.chunk, w.llm.delay = time.Second, "half", time.Minute
		}, "half\n\n（这条消息的回答已停止）\n\n（AI 生成）|已停止。"},
		"nothing of the model's": {func(w *world) { w.llm.delay = time.Minute }, "（这条消息的回答已停止）|已停止。"},
		"cut into parts":         {func(w *world) { w.out.size = 16 }, "re: one (0)\n\n（|AI 生成）"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Mark = true
				tc.change(w)
				p := w.start()
				w.say(p, "1", "one")
				settle(10 * time.Second)
				if w.llm.delay == time.Minute {
					w.say(p, "2", "/stop")
					settle(10 * time.Second)
				}
				shown(t, w, strings.Split(tc.want, "|")...)
			})
		})
	}
}

// TestTheMarkComesAfterNotes that stand in front of an answer.
func TestTheMarkComesAfterNotes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Mark = true
		w.until(42*time.Second, keysBusy)
		p := w.start()
		w.say(p, "1", "one")
		settle(time.Minute)
		if got := w.out.texts(); len(got) != 1 || !strings.HasPrefix(got[0], "（刚才提问的人较多") || !strings.HasSuffix(got[0], "\n\nre: one (0)\n\n（AI 生成）") {
			t.Errorf("shown %q", got)
		}
	})
}

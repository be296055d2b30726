package conversation_test

import (
	"testing"
	"time"

	"parley/internal/chat"
)

// A stop ends the computing of an answer; it must not hide a later shutdown from the sending of the reply.
func TestAfterAStopAShutdownStillHandsOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = time.Minute
		w.out.fail = func(int) error { return chat.E(chat.Unavailable, "x", nil) }
		p := w.start()
		w.say(p, "1", "one")
		settle(2 * time.Second)
		w.say(p, "2", "/stop")
		settle(5 * time.Second)
		began := time.Now()
		p.stop()
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("the process ended after %v with a grace of 5 s", d)
		}
		w.out.fail = nil
		w.start()
		settle(time.Minute)
		shown(t, w, "（这条消息的回答已停止）", "已停止。")
	})
}

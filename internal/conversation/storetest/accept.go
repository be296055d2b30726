package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func testAccept(e *env) {
	first := e.put(message(zhang, "m1"), conversation.AcceptOptions{})
	second := e.put(message(zhang, "m2"), conversation.AcceptOptions{})
	if !first.Ready || first.Duplicate || first.Shed != "" || first.Seq <= 0 || first.Shard != conversation.ShardOf(zhang) {
		e.Errorf("first message: %+v", first)
	}
	if second.Ready || second.Seq <= first.Seq {
		e.Errorf("second message: %+v, want a higher seq than %d and not ready again", second, first.Seq)
	}
	c := e.claim("a")
	if third := e.put(message(zhang, "m3"), conversation.AcceptOptions{}); third.Ready {
		e.Errorf("a message to an owned conversation made it ready: %+v", third)
	}
	if c.Message.ID != "m1" || c.Message.Seq != first.Seq {
		e.Errorf("claimed %s with seq %d, want m1 with %d", c.Message.ID, c.Message.Seq, first.Seq)
	}
}

func testDedupe(e *env) {
	e.accept("m1")
	again := func(when string) {
		e.Helper()
		got := e.put(message(zhang, "m1"), conversation.AcceptOptions{})
		if want := (conversation.Accepted{Duplicate: true, Shard: conversation.ShardOf(zhang)}); got != want {
			e.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	again("while it waits")
	c := e.claim("a")
	again("while it is worked on")
	if next := e.finish(c); next != nil {
		e.Errorf("a duplicate was claimed: %+v", next)
	}
	again("after its answer")
	e.h.Advance(dedupe - time.Minute)
	again("a minute before the memory ends")
	e.nothingReady(zhang)
	e.h.Advance(2 * time.Minute)
	e.accept("m1")

	other := zhang
	other.Channel = "bot"
	if got := e.put(message(other, "m1"), conversation.AcceptOptions{}); got.Duplicate {
		e.Error("another channel's message with the same id counts as a duplicate")
	}
}

func testOnce(e *env) {
	welcome := func(id string) conversation.Accepted {
		m := message(zhang, id)
		m.Kind, m.Once, m.OnceFor = chat.KindWelcome, "welcome:zhang", 24*time.Hour
		return e.put(m, conversation.AcceptOptions{})
	}
	if got := welcome("w1"); got.Ignored || got.Seq == 0 {
		e.Errorf("first: %+v", got)
	}
	if got := welcome("w2"); !got.Ignored || got.Seq != 0 || got.Ready || got.Duplicate {
		e.Errorf("second: %+v, want ignored", got)
	}
	if next := e.finish(e.claim("a")); next != nil {
		e.Errorf("the ignored message waits: %+v", next)
	}
	e.h.Advance(25 * time.Hour)
	if got := welcome("w3"); got.Ignored || !got.Ready {
		e.Errorf("a day later: %+v", got)
	}
}

// Many deliveries of many messages at once: each is stored once.
func testAcceptConcurrently(e *env) {
	const messages, deliveries = 20, 4
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored := map[int64]string{}
	for range deliveries {
		for i := range messages {
			wg.Go(func() {
				m := message(zhang, fmt.Sprint("m", i))
				got, err := e.s.Accept(e.ctx, m, conversation.AcceptOptions{DedupeFor: dedupe})
				if err != nil {
					e.Errorf("accept: %v", err)
					return
				}
				if !got.Duplicate {
					mu.Lock()
					defer mu.Unlock()
					if had, ok := stored[got.Seq]; ok {
						e.Errorf("%s and %s have the same seq %d", had, m.ID, got.Seq)
					}
					stored[got.Seq] = m.ID
				}
			})
		}
	}
	wg.Wait()
	seen := map[string]bool{}
	last := int64(0)
	for c := e.claims("a", zhang, 1); ; {
		m := c[0].Message
		if m.Seq <= last || stored[m.Seq] != m.ID || seen[m.ID] {
			e.Errorf("claimed %s with seq %d after seq %d; stored as %q, seen: %v", m.ID, m.Seq, last, stored[m.Seq], seen[m.ID])
		}
		last, seen[m.ID] = m.Seq, true
		next := e.finish(c[0])
		if next == nil {
			break
		}
		c[0] = *next
	}
	if len(seen) != messages {
		e.Errorf("%d messages came out, want %d", len(seen), messages)
	}
}

// hostile are ids that break naive key building.
func hostile() []string {
	return []string{
		"", " ", "a", "a:b", "b", ":", "::", "a:", ":a", "{", "}", "{}", "{acme:00}", "a}b{c", "\x00", "a\x00b", "\xff\xfe", "\xff", "%FF", "%", "%25",
		"#", "#e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "*", "?", "[a-z]", "\r\n", "$6\r\nPARLEY\r\n", "张三", "é", "e\u0301",
		"A", "\u2028", "'", "\"", "\\", "\n", "-1", "0", "1 2", "😀", "ready", "owners", "n", "\u0000\u0000",
		strings.Repeat("x", 119), strings.Repeat("x", 120), strings.Repeat("x", 121), strings.Repeat("x", 10<<10), strings.Repeat("x", 10<<10) + "y",
		strings.Repeat("{", 10<<10), strings.Repeat("\xff", 200), strings.Repeat("\xfe", 200),
	}
}

// Ids come from outside: each pair of channel and id is a conversation of its own, each message id a message of its own.
func testHostileIDs(e *env) {
	type pair struct{ channel, id string }
	var pairs []pair
	for _, id := range hostile() {
		pairs = append(pairs, pair{"app", id}, pair{id, "app"})
	}
	pairs = append(pairs, pair{"a:b", "c"}, pair{"a", "b:c"}, pair{"a:b:c", ""}, pair{"", "a:b:c"})
	want := map[chat.ConversationKey]bool{}
	for _, p := range pairs {
		key := chat.ConversationKey{Tenant: "acme", Channel: p.channel, ID: p.id}
		if want[key] {
			continue
		}
		want[key] = true
		m := message(key, "m:"+p.id)
		m.User = p.id
		if got := e.put(m, conversation.AcceptOptions{UserPerMinute: 1}); got.Duplicate || !got.Ready || got.Shed != "" {
			e.Errorf("%.60q: %+v", p, got)
		}
	}
	handles := map[conversation.Shard]map[string]bool{}
	for i := range conversation.Shards {
		sh := conversation.Shard{Tenant: "acme", Index: i}
		handles[sh] = map[string]bool{}
		got, err := e.s.Claim(e.ctx, []conversation.Shard{sh}, "owner {}:\x00 \xff", 1000, claimOptions)
		if err != nil {
			e.Fatalf("claim: %v", err)
		}
		for _, c := range got {
			if !want[c.Key] || c.Key != c.Message.Conversation {
				e.Errorf("claimed an unknown conversation %.60q", c.Key)
			}
			delete(want, c.Key)
			if c.Message.ID != "m:"+c.Key.ID && c.Message.ID != "m:"+c.Key.Channel && c.Key.ID != "app" || handles[sh][c.Handle] {
				e.Errorf("%.60q holds message %.60q, handle %.60q", c.Key, c.Message.ID, c.Handle)
			}
			handles[sh][c.Handle] = true
			if next := e.finish(c); next != nil {
				e.Errorf("%.60q: another message waits", c.Key)
			}
		}
	}
	for key := range want {
		e.Errorf("%.60q was not claimed", key)
	}
	// The mailbox is found again under the same name.
	for _, id := range hostile() {
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: id}
		if got := e.put(message(key, "m:"+id), conversation.AcceptOptions{}); !got.Duplicate {
			e.Errorf("%.60q: not recognised as a duplicate", id)
		}
	}
}

func testShedRate(e *env) {
	n := 0
	say := func(user string, opt conversation.AcceptOptions) conversation.Shed {
		n++
		m := message(zhang, fmt.Sprint("m", n))
		m.User = user
		return e.put(m, opt).Shed
	}
	limit := conversation.AcceptOptions{UserPerMinute: 3}
	check := func(what string, got, want conversation.Shed) {
		e.Helper()
		if got != want {
			e.Errorf("%s: shed %q, want %q", what, got, want)
		}
	}
	for range 3 {
		check("within the limit", say("zhang", limit), conversation.NotShed)
		e.h.Advance(10 * time.Second)
	}
	check("fourth in 30 s", say("zhang", limit), conversation.ShedRate)
	check("another person", say("li", limit), conversation.NotShed)
	check("a stop command", say("zhang", conversation.AcceptOptions{UserPerMinute: 3, Stop: true}), conversation.NotShed)
	check("without a limit", say("zhang", conversation.AcceptOptions{}), conversation.NotShed)
	dup := message(zhang, "m1")
	if got := e.put(dup, limit); !got.Duplicate || got.Shed != "" {
		e.Errorf("a duplicate of a person over the limit: %+v", got)
	}
	e.h.Advance(31 * time.Second) // the first message left the minute, the other two did not
	check("one place is free", say("zhang", limit), conversation.NotShed)
	check("only one", say("zhang", limit), conversation.ShedRate)

	// A shed message is stored all the same, in its place, with the reason.
	var sheds []conversation.Shed
	for c := e.claim("a"); ; {
		sheds = append(sheds, c.Message.Shed)
		next := e.finish(c)
		if next == nil {
			break
		}
		c = *next
	}
	e.same("sheds as claimed", sheds, []conversation.Shed{"", "", "", "rate", "", "", "", "", "rate"})
}

func testShedBusy(e *env) {
	limit := conversation.AcceptOptions{Waiting: 2}
	want := []conversation.Shed{"", "", conversation.ShedBusy, conversation.ShedBusy}
	for i, shed := range want {
		if got := e.put(message(zhang, fmt.Sprint("m", i)), limit); got.Shed != shed || got.Seq == 0 {
			e.Errorf("message %d: %+v, want stored with shed %q", i, got, shed)
		}
	}
	m := message(zhang, "stop")
	if got := e.put(m, conversation.AcceptOptions{Waiting: 2, Stop: true}); got.Shed != "" {
		e.Errorf("a stop command was shed: %+v", got)
	}
	c := e.claim("a")
	for range 3 { // until one waits
		next := e.finish(c)
		c = *next
	}
	if c.Message.Shed != conversation.ShedBusy {
		e.Errorf("the fourth message was claimed with shed %q", c.Message.Shed)
	}
	e.finish(c)
	if got := e.put(message(zhang, "later"), limit); got.Shed != "" {
		e.Errorf("below the limit again: %+v", got)
	}
}

package kf_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/wecom/kf"
	"parley/internal/chat"
	"parley/internal/sim/wecom"
	sim "parley/internal/sim/wecom/kf"
)

func TestThereAndBack(t *testing.T) {
	w := newWorld(t, sim.Options{})
	a, _ := w.replica(t)
	b, _ := w.replica(t)
	w.callbacks(t, a, b)
	if err := w.platform.Verify(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	say(t, w, "wmZhang", "你好 ]]> <b>")
	got := w.eventually(t, 1)[0]
	want := chat.Message{
		ID: got.ID, User: "wmZhang", Kind: chat.KindText, Text: "你好 ]]> <b>", SentAt: got.SentAt,
		Conversation: chat.ConversationKey{Tenant: "acme", Channel: "kf", ID: "p/wkAccount-1%2FwmZhang"}, Address: got.Address,
	}
	if diff := cmp.Diff(want, got); diff != "" || got.SentAt.IsZero() {
		t.Error(diff)
	}
	k := w.channel(t)
	parts, err := k.Parts(got, "您好", 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a resend is shown once
		if err := k.Send(t.Context(), got, parts[0]); err != nil {
			t.Fatal(err)
		}
	}
	if shown := w.Shown(account, "wmZhang"); len(shown) != 1 || shown[0].Content != "您好" {
		t.Errorf("shown %+v", shown)
	}
}

// TestEveryMessageOnceAndInOrder lets two replicas hear callbacks at once, with pages of three and some of them empty.
func TestEveryMessageOnceAndInOrder(t *testing.T) {
	w := newWorld(t, sim.Options{Page: 3, EmptyPages: true})
	a, _ := w.replica(t)
	b, _ := w.replica(t)
	w.callbacks(t, a, b)
	const people, each = 4, 10
	var wg sync.WaitGroup
	for p := range people {
		wg.Go(func() {
			for i := range each {
				if _, err := w.Say(t.Context(), account, fmt.Sprint("wm", p), fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for _, m := range w.eventually(t, people*each) {
		if m.Text != fmt.Sprint(seen[m.User]) {
			t.Errorf("%s: %s comes after %d messages", m.User, m.Text, seen[m.User])
		}
		seen[m.User]++
	}
	if diff := cmp.Diff(map[string]int{"wm0": each, "wm1": each, "wm2": each, "wm3": each}, seen); diff != "" {
		t.Error(diff)
	}
}

// TestDiesAfterTheAcknowledgement acknowledges callbacks in a process that never fetches; another one, which heard nothing, does.
func TestDiesAfterTheAcknowledgement(t *testing.T) {
	w := newWorld(t, sim.Options{})
	dead := w.channel(t)
	if _, err := w.Whisper(account, "wmZhang", "问题", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := dead.Open(t.Context(), w.delivery(t, theApp(), time.Now())); err != nil {
		t.Fatal(err)
	}
	run(t, w.channel(t))
	if got := texts(w.eventually(t, 1)); got[0] != "问题" {
		t.Error(got)
	}
}

// TestNoFalse200: without the store nothing is acknowledged.
func TestNoFalse200(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	for name, heal := range map[string]func(){"cold": func() {}, "the account is known": func() {
		w.cache.Fail(nil)
		if _, err := k.Open(t.Context(), w.delivery(t, theApp(), time.Now())); err != nil {
			t.Fatal(err)
		}
	}} {
		heal()
		w.cache.Fail(errors.New("redis is away"))
		opened, err := k.Open(t.Context(), w.delivery(t, theApp(), time.Now()))
		if chat.KindOf(err) != chat.Unavailable || len(opened.Messages) > 0 {
			t.Errorf("%s: %+v, %v", name, opened, err)
		}
	}
}

// TestTheCursorWaitsForTheInbox: what could not be accepted is fetched again.
func TestTheCursorWaitsForTheInbox(t *testing.T) {
	w := newWorld(t, sim.Options{})
	w.inbox.Fail(chat.E(chat.Unavailable, "inbox", errors.New("redis is away")))
	a, _ := w.replica(t)
	w.callbacks(t, a)
	say(t, w, "wmZhang", "一")
	say(t, w, "wmZhang", "二")
	for end := time.Now().Add(20 * time.Second); !strings.Contains(w.logged.String(), "redis is away"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody said that nothing could be accepted")
		}
	}
	if w.inbox.Fail(nil); len(w.inbox.Messages()) > 0 {
		t.Fatal("accepted by an inbox that failed")
	}
	if diff := cmp.Diff([]string{"一", "二"}, texts(w.eventually(t, 2))); diff != "" {
		t.Error(diff)
	}
}

// TestAMessageThatIsNeverAccepted does not hold up those after it.
func TestAMessageThatIsNeverAccepted(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.inbox.Fail(chat.E(chat.TooLarge, "inbox", errors.New("too large")))
	w.ringAndFetch(t, k, "太大")
	w.inbox.Fail(nil)
	w.ringAndFetch(t, k, "好")
	if diff := cmp.Diff([]string{"好"}, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(w.logged.String(), "left out") {
		t.Error("nobody said so")
	}
}

// ringAndFetch lets zhang write, tells the channel, and fetches until there is nothing more.
func (w *world) ringAndFetch(t *testing.T, k *kf.KF, text string) {
	t.Helper()
	if text != "" {
		if _, err := w.Whisper(account, "wmZhang", text, w.now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Open(t.Context(), w.delivery(t, theApp(), w.now())); err != nil {
		t.Fatal(err)
	}
	w.fetch(t, k)
}

func (w *world) fetch(t *testing.T, k *kf.KF) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = kf.Page(t.Context(), k, account); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWasThereBeforeIsNotAnswered(t *testing.T) {
	w := newWorld(t, sim.Options{Page: 2})
	now := w.now()
	for i, ago := range []time.Duration{70 * time.Hour, 2 * time.Hour, 10 * time.Minute, 2 * time.Minute, 2 * time.Second} {
		if _, err := w.Whisper(account, "wmZhang", fmt.Sprint(i), now.Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	k := w.channel(t)
	w.ringAndFetch(t, k, "现在")
	if diff := cmp.Diff([]string{"4", "现在"}, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
	if n := w.count(t, "parley_wecomkf_messages_total", "old"); n != 4 {
		t.Errorf("counted %v that were there before", n)
	}
}

// TestAfterALongOutage: with a cursor, what waited at the platform is answered, unless nobody waits for it any more.
func TestAfterALongOutage(t *testing.T) {
	c := &clock{now: time.Now()}
	w := newWorld(t, sim.Options{Now: c.Now})
	k := w.channel(t)
	w.ringAndFetch(t, k, "早")
	for _, after := range []time.Duration{time.Hour, 20 * time.Hour} {
		c.add(after)
		if _, err := w.Whisper(account, "wmZhang", after.String(), c.Now()); err != nil {
			t.Fatal(err)
		}
	}
	c.add(4 * time.Hour)
	w.ringAndFetch(t, k, "晚")
	if diff := cmp.Diff([]string{"早", "20h0m0s", "晚"}, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
}

func TestACursorThatIsRefused(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.ringAndFetch(t, k, "一")
	w.ExpireCursors()
	w.ringAndFetch(t, k, "二")
	if diff := cmp.Diff([]string{"一", "二"}, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(w.logged.String(), "cursor") {
		t.Error("nobody said so")
	}
}

func TestATokenThatIsRefused(t *testing.T) {
	c := &clock{now: time.Now()}
	w := newWorld(t, sim.Options{Now: c.Now})
	k := w.channel(t)
	if _, err := w.Whisper(account, "wmZhang", "一", c.Now()); err != nil {
		t.Fatal(err)
	}
	stranger := sim.New(w.platform, sim.Options{Now: c.Now}) // its tokens mean nothing here
	query, body, err := wecom.SealDocument(theApp(), stranger.Bell(sim.Account{Ref: ref, OpenKFID: account}), c.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(t.Context(), channel.Delivery{Query: query, Body: body, Now: c.Now()}); err != nil {
		t.Fatal(err)
	}
	w.fetch(t, k)
	if n := w.Stats().Refused[95007]; n != 1 {
		t.Errorf("refused %d times for its token, want once", n)
	}
	// One that is too old is not shown at all.
	if _, err := k.Open(t.Context(), w.delivery(t, theApp(), c.Now())); err != nil {
		t.Fatal(err)
	}
	c.add(11 * time.Minute)
	w.fetch(t, k)
	if n := w.Stats().Refused[95007]; n != 1 {
		t.Errorf("refused %d times for its token, want once", n)
	}
	if diff := cmp.Diff([]string{"一"}, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
}

// TestALostCallback: nobody heard of a message, but who watches asks now and then.
func TestALostCallback(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.ringAndFetch(t, k, "一")
	if _, err := w.Whisper(account, "wmZhang", "二", w.now()); err != nil {
		t.Fatal(err)
	}
	run(t, w.channel(t))
	if diff := cmp.Diff([]string{"一", "二"}, texts(w.eventually(t, 2))); diff != "" {
		t.Error(diff)
	}
}

// TestThePlatformIsAwayForAWhile: what cannot be fetched is tried again by itself.
func TestThePlatformIsAwayForAWhile(t *testing.T) {
	for name, f := range map[string]wecom.Fault{
		"500":  {API: "kf/sync_msg", Status: 500, Times: 2},
		"busy": {API: "kf/sync_msg", Code: -1, Message: "system busy", Times: 2},
		"ip":   {API: "kf/sync_msg", Code: 60020, Message: "not allow to access from your ip, from ip: 203.0.113.7", Times: 2},
		"html": {API: "kf/sync_msg", Body: "<html>", Times: 2},
		"lost": {API: "kf/sync_msg", Lose: true, Times: 1},
		"who":  {API: "kf/service_state/get", Status: 503, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sim.Options{})
			w.platform.Inject(f)
			a, _ := w.replica(t)
			w.callbacks(t, a)
			say(t, w, "wmZhang", "一")
			if got := texts(w.eventually(t, 1)); got[0] != "一" || !strings.Contains(w.logged.String(), "tried again") {
				t.Errorf("%v\n%s", got, w.logged)
			}
		})
	}
}

// TestNothingButThePlatformsLies: entries that cannot be read hold up no other.
func TestEntriesThatCannotBeRead(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	page := map[string]any{"errcode": 0, "errmsg": "ok", "next_cursor": "x", "has_more": 0, "msg_list": []any{
		map[string]any{"msgid": 7}, map[string]any{}, "text", nil,
		map[string]any{"msgid": "1", "external_userid": "a/b", "origin": 3, "send_time": time.Now().Unix(), "msgtype": "text"},
		map[string]any{"msgid": "2", "external_userid": "wmZhang", "origin": 3, "send_time": time.Now().Unix(), "msgtype": "text", "text": map[string]any{"content": "好"}},
	}}
	body, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	w.platform.Inject(wecom.Fault{API: "kf/sync_msg", Body: string(body)})
	w.ringAndFetch(t, k, "")
	if diff := cmp.Diff([]string{"好"}, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(w.logged.String(), "cannot be read"); n != 5 {
		t.Errorf("said %d times, want 5:\n%s", n, w.logged)
	}
}

// TestAnAccountThatIsNotThere is asked for once for each of its callbacks, not for days.
func TestAnAccountThatIsNotThere(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	query, body, err := wecom.SealDocument(theApp(), w.Bell(sim.Account{Ref: ref, OpenKFID: "wkDeleted"}), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(t.Context(), channel.Delivery{Query: query, Body: body, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	kf.Watch(ctx, k)
	if n := w.platform.Stats().Calls["kf/sync_msg"]; n != 1 || !strings.Contains(w.logged.String(), "wkDeleted") {
		t.Errorf("asked %d times\n%s", n, w.logged)
	}
}

// TestOnlyTheAccountsServed: others' callbacks are acknowledged and nothing is fetched.
func TestOnlyTheAccountsServed(t *testing.T) {
	w := newWorld(t, sim.Options{})
	s := settings()
	s.Fields["open_kfids"] = other + ", wkThird"
	k, err := kf.New(s, w.deps())
	if err != nil || len(s.Faults) > 0 {
		t.Fatal(err, s.Faults)
	}
	if _, err := k.Open(t.Context(), w.delivery(t, theApp(), time.Now())); err != nil {
		t.Fatal(err)
	}
	if kf.Pending(t.Context(), k, account) {
		t.Error("an account that is not served is to be fetched")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	kf.Watch(ctx, k)
	if n := w.platform.Stats().Calls["kf/sync_msg"]; n == 0 {
		t.Error("the accounts that are named were not asked for what waits")
	}
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

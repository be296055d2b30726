package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
)

// TestGroupsNeverSeeEachOther: people write in singles, groups and threads whose ids are made to be confused, under each setting. A model is shown all that was
// said in the same place, and nothing that was said elsewhere.
func TestGroupsNeverSeeEachOther(t *testing.T) {
	for _, setting := range []string{channel.GroupMember, channel.GroupShared, channel.GroupThread} {
		for seed := range uint64(8) {
			t.Run(fmt.Sprint(setting, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { talkInGroups(t, setting, rand.New(rand.NewPCG(seed, 7))) })
			})
		}
	}
}

// confusing are ids that a careless name would mix up.
func confusing() []string {
	return []string{"a", "b", "a/b", "b/a", "/", "%2F", "a%2Fb", "p/a", "g/a", "m", " ", "a\x00", "\xff", "张三"}
}

func talkInGroups(t *testing.T, setting string, dice *rand.Rand) {
	ids := confusing()
	if dice.IntN(2) == 0 {
		ids = ids[:4] // which meet more often
	}
	pick := func() string { return ids[dice.IntN(len(ids))] }
	var places []channel.Place
	for range 40 {
		p := channel.Place{User: pick()}
		if dice.IntN(3) > 0 {
			p.Group = pick()
			if dice.IntN(2) > 0 {
				p.Thread = pick()
			}
		}
		places = append(places, p)
	}
	h := &hall{setting: setting, places: places, said: map[string][]string{}}
	store := memstore.New(time.Now)
	var replicas []*conversation.Service
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 2 {
		s := conversation.New(conversation.Options{Store: store, Complete: h, Directory: h, Owner: fmt.Sprint("o", i), Log: slog.New(slog.DiscardHandler)})
		running.Go(func() { _ = s.Run(ctx) })
		replicas = append(replicas, s)
	}
	for n := range 200 {
		i := dice.IntN(len(places))
		m := chat.Message{
			ID: fmt.Sprint("m", n), User: places[i].User, Kind: chat.KindText, Text: fmt.Sprintf("%d says %d", i, n),
			Conversation: chat.ConversationKey{Tenant: "acme", Channel: "bot", ID: channel.ConversationID(setting, places[i])},
		}
		if err := replicas[dice.IntN(2)].Accept(ctx, m); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(dice.IntN(3)) * time.Second)
	}
	time.Sleep(time.Minute)
	cancel()
	running.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.answers != 200 {
		t.Errorf("%d answers", h.answers)
	}
	for _, f := range h.faults {
		t.Error(f)
	}
}

// hall is the tenant, its one channel, and the model, which looks at what it is shown.
type hall struct {
	setting string
	places  []channel.Place
	mu      sync.Mutex
	said    map[string][]string // by whom one shares a conversation with
	answers int
	faults  []string
}

// circle names whom a message shares its conversation with, by a form that cannot be confused.
func (h *hall) circle(p channel.Place) string {
	switch {
	case p.Group == "":
		return fmt.Sprintf("single %q", p.User)
	case h.setting == channel.GroupMember:
		return fmt.Sprintf("member %q %q", p.Group, p.User)
	case h.setting == channel.GroupThread && p.Thread != "":
		return fmt.Sprintf("thread %q %q", p.Group, p.Thread)
	}
	return fmt.Sprintf("group %q", p.Group)
}

func (h *hall) Complete(_ context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	start := chat.Start{Provider: "p", Model: "m"}
	emit(chat.Event{Kind: chat.Started, Start: start})
	time.Sleep(300 * time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers++
	place := 0
	_, _ = fmt.Sscanf(req.Question, "%d says", &place)
	mine := h.circle(h.places[place])
	var shown []string
	for _, turn := range req.History {
		shown = append(shown, turn.Question, turn.Answer)
	}
	if got, want := strings.Join(shown, "|"), strings.Join(h.said[mine], "|"); got != want {
		h.faults = append(h.faults, fmt.Sprintf("%s was asked %q and shown %q; said there was %q", mine, req.Question, got, want))
	}
	answer := "to " + req.Question
	h.said[mine] = append(h.said[mine], req.Question, answer)
	return chat.Reply{Start: start, Text: answer, FinishReason: "stop"}, nil
}

func (h *hall) Tenant(string) (*chat.Tenant, bool) {
	return &chat.Tenant{Name: "acme", Model: "chat", History: chat.HistoryLimits{Turns: 1000, TTL: 24 * time.Hour, Group: h.setting}}, true
}

func (h *hall) Tenants() []string                                   { return []string{"acme"} }
func (h *hall) Models(string) []string                              { return []string{"chat"} }
func (h *hall) Outlet(string, string) (conversation.Outlet, bool)   { return h, true }
func (h *hall) Resendable(time.Duration) bool                       { return false }
func (h *hall) Pace() chat.Pace                                     { return chat.Pace{} }
func (h *hall) Live() time.Duration                                 { return 0 }
func (h *hall) Send(context.Context, chat.Message, chat.Part) error { return nil }
func (h *hall) Parts(_ chat.Message, s string, _ int64) ([]chat.Part, error) {
	return []chat.Part{chat.Part(s)}, nil
}

package rpc

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// gated is a handler that begins, and goes on when told: as a provider that takes its time.
type gated struct {
	next   chan struct{}
	events []chat.Event
}

func (g gated) Complete(_ context.Context, _ chat.Request, emit func(chat.Event) error) error {
	for _, e := range g.events {
		if err := emit(e); err != nil {
			return err
		}
		<-g.next
	}
	return nil
}

// observations is how often a histogram without labels was given a value.
func observations(t *testing.T, reg *prometheus.Registry, name string) uint64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// The time to the first text ends with a text, not with the server's word that it has begun.
func TestTimeToTheFirstText(t *testing.T) {
	t.Parallel()
	started, delta, finished := chat.Event{Kind: chat.Started}, chat.Event{Kind: chat.Delta, Text: "a"}, chat.Event{Kind: chat.Finished, Reply: chat.Reply{Text: "a"}}
	for name, tt := range map[string]struct {
		events []chat.Event
		want   []uint64 // observations after each event
	}{
		"in pieces":          {[]chat.Event{started, delta, finished}, []uint64{0, 1, 1}},
		"as a whole":         {[]chat.Event{started, finished}, []uint64{0, 1}},
		"of a second choice": {[]chat.Event{started, started, delta, finished}, []uint64{0, 0, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := gated{make(chan struct{}), tt.events}
			tel := telemetry.Discard()
			s := serve(t, ServerOptions{Handler: h})
			c := dial(t, ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}, Telemetry: tel})
			awaitUp(t, c, s.Addr())
			var got []uint64
			_, err := c.Complete(t.Context(), question("q"), func(chat.Event) {
				got = append(got, observations(t, tel.Metrics, "parley_rpc_client_first_text_seconds"))
				h.next <- struct{}{}
			})
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("%d events, %v", len(got), err)
			}
			for i, n := range tt.want {
				if got[i] != n {
					t.Errorf("after event %d: %d observations, want %d", i+1, got[i], n)
				}
			}
		})
	}
}

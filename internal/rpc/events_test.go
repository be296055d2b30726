package rpc

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// wire keeps what was sent, and when.
type wire struct {
	begin time.Time
	sent  []timed
	err   error
}

type timed struct {
	At   time.Duration
	Kind chat.EventKind
	Text string
}

func (w *wire) SendMsg(m any) error {
	if w.err != nil {
		return w.err
	}
	data, err := newCodec().Marshal(m)
	if err != nil {
		return err
	}
	var got event
	if err := newCodec().Unmarshal(data, &got); err != nil {
		return err
	}
	e, _ := decodeEvent(&got)
	w.sent = append(w.sent, timed{time.Since(w.begin), e.Kind, e.Text + e.Reply.Text})
	return nil
}

func TestDeltasAreGathered(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	type step struct {
		after time.Duration
		event chat.Event
	}
	delta := func(after time.Duration, text string) step {
		return step{after, chat.Event{Kind: chat.Delta, Text: text}}
	}
	started := step{0, chat.Event{Kind: chat.Started}}
	finished := func(after time.Duration) step {
		return step{after, chat.Event{Kind: chat.Finished, Reply: chat.Reply{Text: "all"}}}
	}
	tests := map[string]struct {
		deltas bool
		gap    time.Duration
		steps  []step
		want   []timed
	}{
		"the first at once, the rest gathered": {true, 20 * ms,
			[]step{started, delta(5*ms, "a"), delta(5*ms, "b"), delta(5*ms, "c"), delta(15*ms, "d"), finished(100 * ms)},
			[]timed{{0, chat.Started, ""}, {5 * ms, chat.Delta, "a"}, {25 * ms, chat.Delta, "bc"}, {45 * ms, chat.Delta, "d"}, {130 * ms, chat.Finished, "all"}}},
		"a pause does not hold back what is gathered": {true, 20 * ms,
			[]step{delta(0, "a"), delta(1*ms, "b"), finished(500 * ms)},
			[]timed{{0, chat.Delta, "a"}, {20 * ms, chat.Delta, "b"}, {501 * ms, chat.Finished, "all"}}},
		"what is gathered goes before the end": {true, 20 * ms,
			[]step{delta(0, "a"), delta(1*ms, "b"), finished(1 * ms)},
			[]timed{{0, chat.Delta, "a"}, {2 * ms, chat.Delta, "b"}, {2 * ms, chat.Finished, "all"}}},
		"a new start voids what is gathered": {true, 20 * ms,
			[]step{delta(0, "a"), delta(1*ms, "b"), started, delta(1*ms, "c"), finished(100 * ms)},
			[]timed{{0, chat.Delta, "a"}, {1 * ms, chat.Started, ""}, {20 * ms, chat.Delta, "c"}, {102 * ms, chat.Finished, "all"}}},
		"no deltas for who wants none": {false, 20 * ms,
			[]step{started, delta(1*ms, "a"), delta(1*ms, "b"), finished(1 * ms)},
			[]timed{{0, chat.Started, ""}, {3 * ms, chat.Finished, "all"}}},
		"the default gap": {true, 0,
			[]step{delta(0, "a"), delta(1*ms, "b"), finished(100 * ms)},
			[]timed{{0, chat.Delta, "a"}, {20 * ms, chat.Delta, "b"}, {101 * ms, chat.Finished, "all"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &wire{begin: time.Now()}
				w := newEventWriter(out, tt.deltas, tt.gap)
				for _, s := range tt.steps {
					time.Sleep(s.after)
					synctest.Wait()
					if err := w.emit(s.event); err != nil {
						t.Fatal(err)
					}
				}
				w.stop()
				time.Sleep(time.Second) // nothing may come after the end
				synctest.Wait()
				if diff := cmp.Diff(tt.want, out.sent); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if !w.finished() {
					t.Error("not finished")
				}
			})
		})
	}
}

func TestNothingIsSentAfterTheHandlerReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &wire{begin: time.Now()}
		w := newEventWriter(out, true, 20*time.Millisecond)
		_ = w.emit(chat.Event{Kind: chat.Delta, Text: "a"})
		_ = w.emit(chat.Event{Kind: chat.Delta, Text: "b"})
		w.stop()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(out.sent) != 1 {
			t.Errorf("sent %v", out.sent)
		}
	})
}

func TestALostClientEndsTheHandler(t *testing.T) {
	t.Parallel()
	w := newEventWriter(&wire{err: errors.New("gone")}, true, time.Hour)
	for _, kind := range []chat.EventKind{chat.Started, chat.Delta, chat.Finished} {
		wantKind(t, w.emit(chat.Event{Kind: kind, Text: "x"}), chat.Canceled)
	}
	wantKind(t, newEventWriter(&wire{}, true, 0).emit(chat.Event{}), chat.Internal)
}

func TestUnknownEventsArePassedOver(t *testing.T) {
	t.Parallel()
	if _, ok := decodeEvent(&event{}); ok {
		t.Error("an event of a newer release is taken for a known one")
	}
}

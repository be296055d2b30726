package liveconfig_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// source is a source in memory whose watches are told at once.
type source struct {
	mu      sync.Mutex
	docs    map[string]string
	watches map[string][]chan struct{}
	listErr error
	down    bool // watches say nothing
}

func newSource(pairs ...string) *source {
	s := &source{docs: map[string]string{}, watches: map[string][]chan struct{}{}}
	for i := 0; i < len(pairs); i += 2 {
		s.docs[pairs[i]] = pairs[i+1]
	}
	return s
}

func (s *source) Get(_ context.Context, name string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.docs[name]
	return []byte(c), ok, nil
}

func (s *source) Watch(ctx context.Context, name string, fn func([]byte, bool)) error {
	news := make(chan struct{}, 1)
	s.mu.Lock()
	s.watches[name] = append(s.watches[name], news)
	s.mu.Unlock()
	for {
		s.mu.Lock()
		c, ok := s.docs[name]
		down := s.down
		s.mu.Unlock()
		if !down {
			fn([]byte(c), ok)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

func (s *source) List(_ context.Context, prefix string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listErr != nil {
		return nil, s.listErr
	}
	var names []string
	for name := range s.docs {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (s *source) Publish(context.Context, string, []byte, []byte) error { return errors.New("unused") }

func (s *source) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	for _, list := range s.watches {
		for _, news := range list {
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}
}

func (s *source) set(name, content string) { s.change(func() { s.docs[name] = content }) }
func (s *source) remove(name string)       { s.change(func() { delete(s.docs, name) }) }

// decode refuses what begins with "bad".
func decode(d liveconfig.Document) (string, error) {
	if strings.HasPrefix(string(d.Content), "bad") {
		return "", errors.New("faulty: " + string(d.Content))
	}
	return string(d.Content), nil
}

// run runs f in a bubble with a Value of the document "doc".
func run(t *testing.T, s *source, opt liveconfig.Options[string], f func(t *testing.T, v *liveconfig.Value[string], seen *[]string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt.Name, opt.Source = "doc", s
		if opt.Decode == nil {
			opt.Decode = decode
		}
		v := liveconfig.New(opt)
		var seen []string
		v.Subscribe(func(s string) { seen = append(seen, s) })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = v.Run(ctx) }()
		synctest.Wait()
		f(t, v, &seen)
		cancel()
		synctest.Wait()
	})
}

type brief struct {
	Value, Revision, Refused string
	Missing, Loaded          bool
}

func look(v *liveconfig.Value[string]) brief {
	h := v.Health()
	b := brief{Revision: h.Revision, Missing: h.Missing, Loaded: h.Loaded}
	b.Value, _ = v.Get()
	if h.Refused != nil {
		b.Refused = h.Refused.Error()
	}
	return b
}

// gauges are the metrics of one document, by name.
func gauges(t *testing.T, reg prometheus.Gatherer, document string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() != document {
				continue
			}
			name := f.GetName()
			if len(m.GetLabel()) > 1 {
				name += "@" + m.GetLabel()[1].GetValue()
			}
			all[name] = m.GetGauge().GetValue()
		}
	}
	return all
}

// infos are the series of parley_document_info that there should be: that of the revision in force, and no older one's.
func infos(b brief) []string {
	if b.Revision == "" {
		return nil
	}
	return []string{"parley_document_info@" + b.Revision}
}

func infoOf(gauges map[string]float64) (names []string) {
	for name, v := range gauges {
		if strings.HasPrefix(name, "parley_document_info") && v == 1 {
			names = append(names, name)
		}
	}
	return names
}

func rev(content string) string { return liveconfig.Revision([]byte(content)) }

func TestValue(t *testing.T) {
	s := newSource()
	reg := prometheus.NewPedanticRegistry()
	run(t, s, liveconfig.Options[string]{Metrics: liveconfig.NewMetrics(reg)}, func(t *testing.T, v *liveconfig.Value[string], seen *[]string) {
		steps := []struct {
			name    string
			do      func()
			want    brief
			metrics string // refused, missing
		}{
			{"absent", func() {}, brief{Missing: true}, "0 1"},
			{"faulty from the start", func() { s.set("doc", "bad0") }, brief{Refused: "faulty: bad0"}, "1 0"},
			{"created", func() { s.set("doc", "one") }, brief{Value: "one", Revision: rev("one"), Loaded: true}, "0 0"},
			{"changed", func() { s.set("doc", "two") }, brief{Value: "two", Revision: rev("two"), Loaded: true}, "0 0"},
			{"refused", func() { s.set("doc", "bad1") }, brief{Value: "two", Revision: rev("two"), Refused: "faulty: bad1", Loaded: true}, "1 0"},
			{"back to the last good form", func() { s.set("doc", "two") }, brief{Value: "two", Revision: rev("two"), Loaded: true}, "0 0"},
			{"refused again", func() { s.set("doc", "bad2") }, brief{Value: "two", Revision: rev("two"), Refused: "faulty: bad2", Loaded: true}, "1 0"},
			{"removed", func() { s.remove("doc") }, brief{Value: "two", Revision: rev("two"), Missing: true, Loaded: true}, "0 1"},
			{"back", func() { s.set("doc", "two") }, brief{Value: "two", Revision: rev("two"), Loaded: true}, "0 0"},
			{"empty is a form", func() { s.set("doc", "") }, brief{Revision: rev(""), Loaded: true}, "0 0"},
		}
		for _, step := range steps {
			step.do()
			synctest.Wait()
			if diff := cmp.Diff(step.want, look(v)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", step.name, diff)
			}
			got := gauges(t, reg, "doc")
			if diff := cmp.Diff(step.metrics, fmt.Sprint(got["parley_document_refused"], got["parley_document_missing"])); diff != "" {
				t.Errorf("%s: metrics (-want +got)\n%s", step.name, diff)
			}
			if diff := cmp.Diff(infos(step.want), infoOf(got)); diff != "" {
				t.Errorf("%s: revisions in the metrics (-want +got)\n%s", step.name, diff)
			}
			if since := got["parley_document_changed_timestamp_seconds"]; step.want.Loaded && since != float64(v.Health().Since.UnixMilli())/1000 {
				t.Errorf("%s: in force since %v by the metrics", step.name, since)
			}
		}
		if diff := cmp.Diff([]string{"one", "two", "two", "two", ""}, *seen); diff != "" {
			t.Errorf("subscribers saw (-want +got)\n%s", diff)
		}
	})
}

func TestAbsentIsInForce(t *testing.T) {
	s := newSource()
	nothing := "nothing"
	run(t, s, liveconfig.Options[string]{Absent: &nothing}, func(t *testing.T, v *liveconfig.Value[string], seen *[]string) {
		if err := v.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.set("doc", "one")
		synctest.Wait()
		s.remove("doc")
		synctest.Wait()
		if diff := cmp.Diff(brief{Value: "one", Revision: rev("one"), Missing: true, Loaded: true}, look(v)); diff != "" {
			t.Errorf("a removed document must not mean what an absent one does (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]string{"nothing", "one"}, *seen); diff != "" {
			t.Errorf("subscribers saw (-want +got)\n%s", diff)
		}
	})
}

// TestRefresh rotates what a document refers to, while the document is good, refused and gone.
func TestRefresh(t *testing.T) {
	s := newSource("doc", "one")
	var mu sync.Mutex
	secret := "a"
	rotate := func(to string) { mu.Lock(); defer mu.Unlock(); secret = to }
	dec := func(d liveconfig.Document) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if secret == "" {
			return "", errors.New("no secret")
		}
		v, err := decode(d)
		return v + secret, err
	}
	run(t, s, liveconfig.Options[string]{Decode: dec}, func(t *testing.T, v *liveconfig.Value[string], _ *[]string) {
		since := v.Health().Since
		for _, step := range []struct {
			name string
			do   func()
			want brief
		}{
			{"good", func() { rotate("b") }, brief{Value: "oneb", Revision: rev("one"), Loaded: true}},
			{"the secret is gone", func() { rotate("") }, brief{Value: "oneb", Revision: rev("one"), Refused: "no secret", Loaded: true}},
			{"and back", func() { rotate("c") }, brief{Value: "onec", Revision: rev("one"), Loaded: true}},
			{"refused", func() { s.set("doc", "bad"); synctest.Wait(); rotate("d") },
				brief{Value: "oned", Revision: rev("one"), Refused: "faulty: bad", Loaded: true}},
			{"removed", func() { s.remove("doc"); synctest.Wait(); rotate("e") },
				brief{Value: "onee", Revision: rev("one"), Missing: true, Loaded: true}},
		} {
			time.Sleep(time.Second)
			step.do()
			v.Refresh()
			synctest.Wait()
			if diff := cmp.Diff(step.want, look(v)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", step.name, diff)
			}
		}
		if h := v.Health(); !h.Since.Equal(since) {
			t.Errorf("the form in force is the same, but counts since %v, not %v", h.Since, since)
		}
	})
}

func TestWaitSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		source     *source
	}{
		{"missing", "doc: does not exist", newSource()},
		{"refused", "doc: faulty: bad", newSource("doc", "bad")},
		{"unreachable", "doc: could not be read yet", &source{docs: map[string]string{}, watches: map[string][]chan struct{}{}, down: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, tc.source, liveconfig.Options[string]{}, func(t *testing.T, v *liveconfig.Value[string], _ *[]string) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := v.Wait(ctx)
				if chat.KindOf(err) != chat.Unavailable || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestSubscribeLate(t *testing.T) {
	run(t, newSource("doc", "one"), liveconfig.Options[string]{}, func(t *testing.T, v *liveconfig.Value[string], _ *[]string) {
		var got string
		v.Subscribe(func(s string) { got = s })
		if got != "one" {
			t.Errorf("told %q", got)
		}
	})
}

// TestConcurrent reads while forms change: a reader sees whole forms, in the order of their publication.
func TestConcurrent(t *testing.T) {
	s := newSource("doc", "a")
	run(t, s, liveconfig.Options[string]{}, func(t *testing.T, v *liveconfig.Value[string], _ *[]string) {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				last := ""
				for {
					got, ok := v.Get()
					if !ok || got < last || strings.Trim(got, "a") != "" {
						t.Errorf("after %q came %q", last, got)
						return
					}
					last = got
					_ = v.Health()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for n := range 50 {
			s.set("doc", strings.Repeat("a", n+2))
			v.Refresh()
		}
		close(stop)
		wg.Wait()
		synctest.Wait()
	})
}

// A process that has never had a good form must not claim one.
func TestRefusedSaysWhatIsInForce(t *testing.T) {
	var log bytes.Buffer
	s := newSource("doc", "bad")
	opt := liveconfig.Options[string]{Log: slog.New(slog.NewTextHandler(&log, nil))}
	run(t, s, opt, func(t *testing.T, _ *liveconfig.Value[string], _ *[]string) {
		for _, step := range []struct{ content, want string }{
			{"bad", "live document refused; no good form of it is in force here"},
			{"one", "live document in force"},
			{"bad again", "live document refused; the last good form stays in force"},
		} {
			s.set("doc", step.content)
			synctest.Wait()
			if !strings.Contains(log.String(), step.want) {
				t.Errorf("%s: %q, want %q", step.content, log.String(), step.want)
			}
			log.Reset()
		}
	})
}

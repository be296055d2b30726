package dingtalk

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

const testTemplate = "tpl-1.schema"

// stage is a simulated DingTalk with one application, and what Parley gives a channel.
type stage struct {
	*testing.T
	sim    *sim.Sim
	origin string
	inbox  *channeltest.Inbox
	cache  *channeltest.Cache
	reg    *prometheus.Registry
	log    *lines
}

// lines takes a log from many goroutines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newStage(t *testing.T, o sim.Options) *stage {
	t.Helper()
	s := &stage{T: t, sim: sim.New(o), inbox: &channeltest.Inbox{}, cache: channeltest.NewCache(), reg: prometheus.NewRegistry(), log: &lines{}}
	srv := httptest.NewServer(s.sim.Handler())
	t.Cleanup(srv.Close)
	s.origin = srv.URL
	s.sim.SetOrigin(srv.URL)
	s.setUp(sim.App{Key: testKey, Secret: testSecret, Template: testTemplate})
	return s
}

func (s *stage) setUp(a sim.App) {
	s.Helper()
	if err := s.sim.AddApp(a); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) deps() channel.Deps {
	return channel.Deps{
		HTTP: &http.Client{Timeout: 10 * time.Second}, Inbox: s.inbox, Tokens: s.cache, Locks: s.cache, Limits: s.cache, Memo: s.cache,
		Origins: channel.Origins{DingTalk: s.origin, DingTalkWebhooks: []string{s.origin}, DingTalkFiles: []string{s.origin}},
		Log:     slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: s.reg, Now: time.Now,
	}
}

// replica makes one more process's channel.
func (s *stage) replica(changes map[string]any) channel.Channel {
	s.Helper()
	return newRobot(s.T, s.deps(), changes)
}

// hear lets a person say something and gives the message as a callback brings it.
func (s *stage) hear(c channel.Channel, m sim.Message) chat.Message {
	s.Helper()
	header, body, err := s.sim.Document(testKey, m, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	opened, err := c.(channel.Callback).Open(s.Context(), channel.Delivery{Header: header, Body: body, Now: time.Now()})
	if err != nil || len(opened.Messages) != 1 {
		s.Fatalf("opened %+v, %v", opened, err)
	}
	return opened.Messages[0]
}

// reply sends all parts of a text and returns the first error.
func (s *stage) reply(c channel.Channel, m chat.Message, text string) error {
	s.Helper()
	parts, err := c.Parts(m, text, 1)
	if err != nil {
		s.Fatal(err)
	}
	for _, p := range parts {
		if err := c.Send(s.Context(), m, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// shown is what a chat shows, without its times.
func (s *stage) shown(where string) []sim.Shown {
	list := s.sim.Shown(testKey, where)
	for i := range list {
		list[i].App, list[i].At, list[i].Card = "", time.Time{}, ""
	}
	return list
}

// metric sums a metric over its labels.
func (s *stage) metric(name string) (sum float64) {
	s.Helper()
	all, err := s.reg.Gather()
	s.must(err)
	for _, family := range all {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(what string, ok func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		if ctx.Err() != nil {
			s.Fatalf("not within 20 s: %s; log:\n%s", what, s.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

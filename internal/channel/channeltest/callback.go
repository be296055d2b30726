package channeltest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Callbacks describes a channel's callbacks to the suite.
type Callbacks struct {
	Suite
	// Tenant and Name are those of the channel that New makes.
	Tenant, Name string
	// Deliver makes a true delivery of a text, proved at that time; each call proves it afresh, as a redelivery does.
	Deliver func(t *testing.T, id, user, text string, at time.Time) channel.Delivery
	// Misdirected is a true delivery for another receiver. nil: the platform has none.
	Misdirected func(t *testing.T, at time.Time) channel.Delivery
	// Proof lists the query values and headers that prove a delivery: changing one makes it Unauthenticated.
	Proof []string
	// MaxAge is the age at which a delivery is stale for certain.
	MaxAge time.Duration
	// BodyUnproved says that what the platform signs does not cover the body.
	BodyUnproved bool
}

// RunCallback checks what every callback promises: [channel.Callback]'s doc comments, and that no input harms.
func RunCallback(t *testing.T, s Callbacks) {
	now := time.Now()
	c := s.New(t, s.deps(t, "http://127.0.0.1:1"))
	cb, ok := c.(channel.Callback)
	if !ok {
		t.Fatalf("%T is no channel.Callback", c)
	}
	open := func(d channel.Delivery) (channel.Opened, error) {
		d.Now = now
		return cb.Open(t.Context(), d)
	}
	t.Run("a true delivery", func(t *testing.T) { s.opens(t, open, now) })
	t.Run("refused", func(t *testing.T) { s.refuses(t, open, now) })
	t.Run("hostile bodies", func(t *testing.T) {
		for name, body := range hostile() {
			d := s.Deliver(t, "1", "zhang", "你好", now)
			d.Body = body
			s.refused(t, name, d, open, chat.Invalid, chat.Unauthenticated, chat.Forbidden)
		}
	})
	if !s.BodyUnproved {
		t.Run("torn bodies", func(t *testing.T) { s.torn(t, open, now) })
	}
}

type opener func(channel.Delivery) (channel.Opened, error)

func (s Callbacks) opens(t *testing.T, open opener, now time.Time) {
	d := s.Deliver(t, "1", "zhang", "你好\n世界", now)
	opened, err := open(d)
	if err != nil || len(opened.Messages) != 1 {
		t.Fatalf("opened %+v, error %v", opened, err)
	}
	m := opened.Messages[0]
	for i := range d.Body {
		d.Body[i] = 'x' // the front's buffer is its own
	}
	if m.Kind != chat.KindText || m.Text != "你好\n世界" || m.User == "" || m.ID == "" || m.Conversation.ID == "" {
		t.Errorf("message %+v", m)
	}
	want := chat.ConversationKey{Tenant: s.Tenant, Channel: s.Name, ID: m.Conversation.ID}
	if diff := cmp.Diff(want, m.Conversation); diff != "" {
		t.Error(diff)
	}
	again, err := open(s.Deliver(t, "1", "zhang", "你好\n世界", now.Add(-time.Minute)))
	if err != nil || again.Messages[0].ID != m.ID || again.Messages[0].Conversation != m.Conversation {
		t.Errorf("a redelivery is %+v, error %v; want the ID and the conversation of %+v", again, err, m)
	}
	other, err := open(s.Deliver(t, "2", "li", "你好\n世界", now))
	if err != nil || other.Messages[0].ID == m.ID || other.Messages[0].Conversation == m.Conversation {
		t.Errorf("another person's message is %+v, error %v", other, err)
	}
}

func (s Callbacks) refuses(t *testing.T, open opener, now time.Time) {
	for _, name := range s.Proof {
		for what, change := range map[string]func(string) string{
			"missing": func(string) string { return "" },
			"changed": func(v string) string { return flip(v) },
			"longer":  func(v string) string { return v + "0" },
		} {
			d := s.Deliver(t, "1", "zhang", "你好", now)
			if d.Query.Has(name) {
				d.Query.Set(name, change(d.Query.Get(name)))
			} else {
				d.Header.Set(name, change(d.Header.Get(name)))
			}
			s.refused(t, name+" "+what, d, open, chat.Unauthenticated)
		}
	}
	s.refused(t, "no proof at all", channel.Delivery{
		Query: url.Values{}, Header: http.Header{}, Body: s.Deliver(t, "1", "zhang", "你好", now).Body,
	}, open, chat.Unauthenticated)
	s.refused(t, "stale", s.Deliver(t, "1", "zhang", "你好", now.Add(-s.MaxAge)), open, chat.Invalid)
	s.refused(t, "from the future", s.Deliver(t, "1", "zhang", "你好", now.Add(s.MaxAge)), open, chat.Invalid)
	if s.Misdirected != nil {
		s.refused(t, "misdirected", s.Misdirected(t, now), open, chat.Forbidden)
	}
}

func (s Callbacks) refused(t *testing.T, what string, d channel.Delivery, open opener, kinds ...chat.Kind) {
	t.Helper()
	opened, err := open(d)
	if err == nil || len(opened.Messages) > 0 {
		t.Errorf("%s: opened %+v", what, opened)
		return
	}
	if kind := chat.KindOf(err); !slices.Contains(kinds, kind) {
		t.Errorf("%s: %v is of kind %v, want one of %v", what, err, kind, kinds)
	}
	said := fmt.Sprintf("%v %+v %#v", err, err, err)
	for _, secret := range s.Secrets {
		if strings.Contains(said, secret) {
			t.Errorf("%s: a secret is in %s", what, said)
		}
	}
}

// flip changes a value's last character for one of the same sort.
func flip(v string) string {
	if v == "" {
		return "0"
	}
	last := byte('1')
	if v[len(v)-1] == '1' {
		last = '2'
	}
	return v[:len(v)-1] + string(last)
}

// torn checks that no change of a body changes a message: what is not proved decides nothing.
func (s Callbacks) torn(t *testing.T, open opener, now time.Time) {
	d := s.Deliver(t, "1", "zhang", "你好", now)
	want, err := open(d)
	if err != nil {
		t.Fatal(err)
	}
	body := d.Body
	for at := range body {
		for _, d.Body = range [][]byte{body[:at], flipped(body, at)} {
			if got, err := open(d); err == nil && !cmp.Equal(want.Messages, got.Messages) {
				t.Fatalf("a change at byte %d makes %+v of %+v", at, got.Messages, want.Messages)
			}
		}
	}
}

func flipped(body []byte, at int) []byte {
	body = bytes.Clone(body)
	body[at] ^= 0x01
	return body
}

// hostile bodies.
func hostile() map[string][]byte {
	return map[string][]byte{
		"empty":        nil,
		"NULs":         make([]byte, 1000),
		"not UTF-8":    {0xff, 0xfe, 0xfd},
		"only a brace": []byte("{"),
		"null":         []byte("null"),
		"a number":     []byte("1e999999"),
		"deep JSON":    bytes.Repeat([]byte(`{"a":[`), 100_000),
		"deep XML":     append([]byte("<xml>"), bytes.Repeat([]byte("<a>"), 100_000)...),
		"wide XML":     append([]byte("<xml>"), bytes.Repeat([]byte("<a></a>"), 100_000)...),
		"entities":     []byte(`<!DOCTYPE xml [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>`),
		"not XML":      []byte("<xml><Encrypt>a</xml>"),
	}
}

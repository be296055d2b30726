package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
)

// plain is a channel whose platform posts the text itself; its error, if set, is what opening fails with.
type plain struct {
	channel.Channel
	err      error
	messages int
	ack      channel.Ack
}

func (p plain) Kind() string { return "plain" }

func (p plain) Challenge(_ context.Context, d channel.Delivery) ([]byte, error) {
	return []byte(d.Query.Get("echo")), p.err
}

func (p plain) Open(_ context.Context, d channel.Delivery) (o channel.Opened, err error) {
	o.Ack = p.ack
	for i := range p.messages {
		o.Messages = append(o.Messages, chat.Message{ID: fmt.Sprintf("%s-%d", d.Body, i), Text: string(d.Body)})
	}
	return o, p.err
}

// page is a channel with a page and no callback.
type page struct{ channel.Channel }

func (page) Kind() string { return "page" }

func (page) ServeHTTP(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page of ", r.URL.Path) }

type fixture struct {
	channels map[string]channel.Channel
	inbox    *channeltest.Inbox
	log      bytes.Buffer
	metrics  *prometheus.Registry
	front    *channel.Front
}

func newFixture(channels map[string]channel.Channel) *fixture {
	f := &fixture{channels: channels, inbox: &channeltest.Inbox{}, metrics: prometheus.NewRegistry()}
	f.front = channel.NewFront(func(tenant, name string) (channel.Channel, error) {
		if tenant == "loading" {
			return nil, chat.E(chat.Unavailable, "lookup", nil)
		}
		if c, ok := f.channels[tenant+"/"+name]; ok {
			return c, nil
		}
		return nil, chat.E(chat.NotFound, "lookup", nil)
	}, channel.Deps{Inbox: f.inbox, Log: slog.New(slog.NewTextHandler(&f.log, nil)), Metrics: f.metrics, Now: time.Now})
	return f
}

func (f *fixture) do(method, target string, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.front.ServeHTTP(w, httptest.NewRequest(method, target, body))
	return w
}

func TestFrontStatuses(t *testing.T) {
	failing := func(k chat.Kind) channel.Channel {
		return plain{err: chat.E(k, "plain.open", errors.New("the reason"))}
	}
	channels := map[string]channel.Channel{
		"acme/app": plain{messages: 1}, "acme/web": page{}, "acme/quiet": plain{},
		"acme/401": failing(chat.Unauthenticated), "acme/403": failing(chat.Forbidden), "acme/400": failing(chat.Invalid),
		"acme/413": failing(chat.TooLarge), "acme/503": failing(chat.Internal), "acme/odd": plain{err: errors.New("the reason")},
		"acme/ack": plain{messages: 1, ack: channel.Ack{ContentType: "application/json", Body: []byte(`{}`)}},
	}
	const path = "/callback/acme/"
	for _, tc := range []struct {
		name, method, target, body string
		status                     int
		answer                     string
		stored                     int
	}{
		{"a message", "POST", path + "app", "hi", 200, "", 1},
		{"with the platform's answer", "POST", path + "ack", "hi", 200, "{}", 1},
		{"nothing to do", "POST", path + "quiet", "hi", 200, "", 0},
		{"no body", "POST", path + "app", "", 200, "", 1},
		{"the largest body", "POST", path + "app", strings.Repeat("x", channel.MaxBody), 200, "", 1},
		{"too large a body", "POST", path + "app", strings.Repeat("x", channel.MaxBody+1), 413, "Request Entity Too Large\n", 0},
		{"verification", "GET", path + "app?echo=42", "", 200, "42", 0},
		{"verification refused", "GET", path + "403?echo=42", "", 403, "Forbidden\n", 0},
		{"bad signature", "POST", path + "401", "hi", 401, "Unauthorized\n", 0},
		{"wrong receiver", "POST", path + "403", "hi", 403, "Forbidden\n", 0},
		{"malformed", "POST", path + "400", "hi", 400, "Bad Request\n", 0},
		{"too large inside", "POST", path + "413", "hi", 413, "Request Entity Too Large\n", 0},
		{"our own fault", "POST", path + "503", "hi", 503, "Service Unavailable\n", 0},
		{"an error of no kind", "POST", path + "odd", "hi", 503, "Service Unavailable\n", 0},
		{"another method", "PUT", path + "app", "hi", 405, "Method Not Allowed\n", 0},
		{"HEAD", "HEAD", path + "app", "", 405, "Method Not Allowed\n", 0},
		{"unknown channel", "POST", path + "none", "hi", 404, "Not Found\n", 0},
		{"unknown tenant", "POST", "/callback/none/app", "hi", 404, "Not Found\n", 0},
		{"a channel without callback", "POST", path + "web", "hi", 404, "Not Found\n", 0},
		{"no channel", "POST", "/callback/acme", "hi", 404, "404 page not found\n", 0},
		{"below a channel", "POST", path + "app/x", "hi", 404, "404 page not found\n", 0},
		{"a page", "GET", "/chat/acme/web", "", 200, "page of /chat/acme/web", 0},
		{"below a page", "GET", "/chat/acme/web/assets/x.js", "", 200, "page of /chat/acme/web/assets/x.js", 0},
		{"a channel without page", "GET", "/chat/acme/app", "", 404, "Not Found\n", 0},
		{"no page", "GET", "/chat/acme/none", "", 404, "Not Found\n", 0},
		{"elsewhere", "GET", "/", "", 404, "404 page not found\n", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(channels)
			w := f.do(tc.method, tc.target, strings.NewReader(tc.body))
			if w.Code != tc.status || w.Body.String() != tc.answer {
				t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, tc.status, tc.answer)
			}
			if strings.Contains(w.Body.String(), "reason") {
				t.Error("the caller was told the reason")
			}
			if n := len(f.inbox.Messages()); n != tc.stored {
				t.Errorf("%d stored, want %d", n, tc.stored)
			}
		})
	}
}

func TestFrontWithoutTheStore(t *testing.T) {
	for name, breakIt := range map[string]func(*channeltest.Inbox){
		"fails": func(b *channeltest.Inbox) { b.Fail(chat.E(chat.Invalid, "store", errors.New("the reason"))) },
		"hangs": (*channeltest.Inbox).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(map[string]channel.Channel{"acme/app": plain{messages: 2}})
			breakIt(f.inbox)
			// The inbox hangs until its context ends; that it ends at all, without a deadline of the test's own, is what is tested.
			w := f.do("POST", "/callback/acme/app", strings.NewReader("hi"))
			if w.Code != http.StatusServiceUnavailable || w.Body.String() != "Service Unavailable\n" {
				t.Errorf("answered %d %q", w.Code, w.Body)
			}
		})
	}
}

// TestFrontAcceptsInTime measures the context that the inbox gets, not the machine.
func TestFrontAcceptsInTime(t *testing.T) {
	var left time.Duration
	front := channel.NewFront(func(string, string) (channel.Channel, error) { return plain{messages: 1}, nil }, channel.Deps{
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Metrics: prometheus.NewRegistry(),
		Inbox: inboxFunc(func(ctx context.Context, _ chat.Message) error {
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Error("no deadline")
			}
			left = time.Until(deadline)
			return nil
		}),
	})
	front.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/callback/a/b", strings.NewReader("x")))
	if left <= 0 || left > 1900*time.Millisecond {
		t.Errorf("the inbox had %v; a 503 is promised within 2 s", left)
	}
}

type inboxFunc func(context.Context, chat.Message) error

func (f inboxFunc) Accept(ctx context.Context, m chat.Message) error { return f(ctx, m) }

func TestFrontMetricsAndLog(t *testing.T) {
	f := newFixture(map[string]channel.Channel{
		"acme/app": plain{messages: 1}, "acme/bad": plain{err: chat.E(chat.Unauthenticated, "plain.open", errors.New("the reason"))},
		"acme/down": plain{err: chat.E(chat.Unavailable, "plain.open", nil)},
	})
	f.do("POST", "/callback/acme/app", strings.NewReader("hi"))
	f.do("POST", "/callback/acme/app", strings.NewReader("hi"))
	f.do("POST", "/callback/acme/bad", strings.NewReader("hi"))
	f.do("POST", "/callback/acme/down", strings.NewReader("hi"))
	for i := range 1000 { // a stranger's paths become no labels
		f.do("POST", fmt.Sprintf("/callback/x%d/y", i), nil)
	}
	want := map[string]float64{
		"parley_callback_accepted_total plain":                2,
		"parley_callback_refused_total plain unauthenticated": 1,
		"parley_callback_refused_total plain unavailable":     1,
		"parley_callback_refused_total unknown not_found":     1000,
		"parley_callback_unavailable_total":                   1,
		"parley_callback_ack_seconds plain":                   2,
	}
	if diff := cmp.Diff(want, gather(t, f.metrics)); diff != "" {
		t.Error(diff)
	}
	if got := f.log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "the reason") || !strings.Contains(got, "tenant=acme") {
		t.Errorf("logged %s", got)
	}
}

// TestFrontLogIsBounded: who posts rubbish all day fills no disk.
func TestFrontLogIsBounded(t *testing.T) {
	f := newFixture(map[string]channel.Channel{"acme/bad": plain{err: errors.New("no")}})
	for range 2000 {
		f.do("POST", "/callback/acme/bad", nil)
	}
	if n := strings.Count(f.log.String(), "\n"); n == 0 || n > 1000 {
		t.Errorf("%d lines for 2000 refusals", n)
	}
}

// TestFrontTornBody: half a body is no message.
func TestFrontTornBody(t *testing.T) {
	f := newFixture(map[string]channel.Channel{"acme/app": plain{messages: 1}})
	torn := io.MultiReader(strings.NewReader("half"), errReader{})
	if w := f.do("POST", "/callback/acme/app", torn); w.Code != http.StatusBadRequest {
		t.Errorf("answered %d", w.Code)
	}
	if diff := cmp.Diff(0, len(f.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// gather reads counters, and histograms' counts, by name and label values.
func gather(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			key := family.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}

// A tenant that this process should serve and has not loaded yet is not unknown: the platform, or a balancer, is to try again.
func TestFrontOfATenantThatIsNotLoaded(t *testing.T) {
	f := newFixture(nil)
	for method, target := range map[string]string{"POST": "/callback/loading/app", "GET": "/chat/loading/web"} {
		if got := f.do(method, target, nil).Code; got != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %d, want 503", method, target, got)
		}
	}
	if got := f.do("POST", "/callback/unknown/app", nil).Code; got != http.StatusNotFound {
		t.Errorf("an unknown tenant: %d, want 404", got)
	}
}

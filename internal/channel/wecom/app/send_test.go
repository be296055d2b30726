package app_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

func TestPartsAreWholeRequests(t *testing.T) {
	a := newWorld(t, sim.Options{}).app(t)
	parts, err := a.Parts(chat.Message{User: "zhang"}, "<好> & 😀", 7)
	if err != nil {
		t.Fatal(err)
	}
	want := []chat.Part{chat.Part(`{"touser":"zhang","msgtype":"text","agentid":1000002,"text":{"content":"<好> & 😀"},` +
		`"enable_duplicate_check":1,"duplicate_check_interval":1807}`)}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error(diff)
	}
}

func TestIntervalStaysInRange(t *testing.T) {
	a := newWorld(t, sim.Options{}).app(t)
	for _, unique := range []int64{0, 1, -1, 12599, 12600, 1 << 62, -1 << 63} {
		parts, err := a.Parts(chat.Message{User: "zhang"}, strings.Repeat(strings.Repeat("same ", 400)+"\n\n", 9), unique)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			_, interval, _ := strings.Cut(string(p), `"duplicate_check_interval":`)
			if interval < "1800" && len(interval) <= 5 || len(interval) > 6 || strings.HasPrefix(interval, "-") {
				t.Errorf("unique %d: interval %s", unique, interval)
			}
		}
	}
}

// TestSendPostsTheStoredBytes: only a byte-identical request is a repetition to the platform.
func TestSendPostsTheStoredBytes(t *testing.T) {
	var got []byte
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		_, _ = w.Write([]byte(`{"errcode":0,"errmsg":"ok"}`))
	}))
	defer platform.Close()
	w := newWorld(t, sim.Options{})
	d := w.deps()
	d.Origins.WeCom, d.Tokens = platform.URL, always{}
	a, err := app.New(settings(), d)
	if err != nil {
		t.Fatal(err)
	}
	part := chat.Part(`{ "touser" : "<stored by an earlier release>" }`)
	if err := a.Send(t.Context(), chat.Message{User: "zhang"}, part); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(part), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestShownOnceOrTwice(t *testing.T) {
	w := newWorld(t, sim.Options{})
	a := w.app(t)
	twice := strings.Repeat(strings.Repeat("同一段。", 150)+"\n\n", 2)
	for _, tc := range []struct {
		name    string
		text    string
		uniques []int64
		shown   int
	}{
		{"a resend after a crash", "一", []int64{1, 1, 1}, 1},
		{"the same answer to two questions", "二", []int64{2, 3}, 2},
		{"equal parts in one answer", twice, []int64{4}, 2},
		{"equal parts, sent again", twice, []int64{5, 5}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, unique := range tc.uniques {
				if err := send(t, a, tc.name, tc.text, unique); err != nil {
					t.Fatal(err)
				}
			}
			if shown := w.sim.Shown(ref, tc.name); len(shown) != tc.shown {
				t.Errorf("shown %d times, want %d", len(shown), tc.shown)
			}
		})
	}
}

// TestResendWindow: a resend that Resendable allows is always inside the platform's window.
func TestResendWindow(t *testing.T) {
	now := time.Now()
	w := newWorld(t, sim.Options{Now: func() time.Time { return now }})
	a := w.app(t)
	for unique := range int64(50) {
		if err := send(t, a, "zhang", "一", unique*251); err != nil {
			t.Fatal(err)
		}
		age := time.Duration(0)
		for a.Resendable(age + time.Minute) {
			age += time.Minute
		}
		if age < 20*time.Minute {
			t.Fatalf("resendable for %v only", age)
		}
		now = now.Add(age)
		if err := send(t, a, "zhang", "一", unique*251); err != nil {
			t.Fatal(err)
		}
	}
	if shown, lost := w.sim.Shown(ref, "zhang"), w.sim.Lost(ref, "zhang"); len(shown) != 50 || len(lost) != 50 {
		t.Errorf("%d shown and %d swallowed, want 50 each", len(shown), len(lost))
	}
}

// TestPace: at this pace the platform, with its true limits, drops nothing, whatever a part's way takes; a little faster it would.
func TestPace(t *testing.T) {
	for name, faster := range map[string]time.Duration{"as declared": 0, "too fast": 2500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			w := newWorld(t, sim.Options{Now: func() time.Time { return now }})
			a := w.app(t)
			pace := a.Pace()
			every := pace.Every - faster
			var whole time.Time // the pace, as stores keep it
			for n := range int64(1500) {
				if whole.Before(now) {
					whole = now
				}
				if due := whole.Add(-time.Duration(pace.Burst-1) * every); due.After(now) {
					now = due
				}
				whole = whole.Add(every)
				if n%50 == 7 { // a part that takes its time, and a person who does, too
					now = now.Add(time.Duration(n) * 40 * time.Millisecond)
				}
				if err := send(t, a, "zhang", "一", n); err != nil {
					t.Fatal(err)
				}
			}
			if dropped := w.sim.Stats().Limited; (dropped > 0) != (faster > 0) {
				t.Errorf("%d of 1500 were dropped", dropped)
			}
		})
	}
}

func TestNothingIsCutOff(t *testing.T) {
	w := newWorld(t, sim.Options{})
	text := strings.Repeat("很长的回答，一段又一段。", 500)
	if err := send(t, w.app(t), "zhang", text, 1); err != nil {
		t.Fatal(err)
	}
	var read strings.Builder
	for _, s := range w.sim.Shown(ref, "zhang") {
		if s.Truncated {
			t.Error("the platform had to cut a message")
		}
		read.WriteString(s.Content)
	}
	if read.String() != text {
		t.Errorf("read %d bytes of %d", read.Len(), len(text))
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault sim.Fault
		kind  chat.Kind
		code  string
		says  string
	}{
		{"left the company", sim.Fault{InvalidUser: true}, chat.NotFound, "invaliduser", "not delivered"},
		{"no licence", sim.Fault{Body: `{"errcode":0,"errmsg":"ok","unlicenseduser":"zhang"}`}, chat.Billing, "unlicenseduser", "not delivered"},
		{"all invalid", sim.Fault{Code: 81013}, chat.NotFound, "81013", ""},
		{"our IP is not allowed", sim.Fault{Code: 60020, Message: "not allow to access from your ip, from ip: 203.0.113.7"}, chat.Forbidden, "60020", "203.0.113.7"},
		{"over the limit", sim.Fault{Code: 45009, Message: "api freq out of limit"}, chat.RateLimited, "45009", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			tc.fault.API = "message/send"
			w.sim.Inject(tc.fault)
			err := send(t, w.app(t), "zhang", "好", 1)
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || e.Kind != tc.kind || e.Code != tc.code || e.Maybe || !strings.Contains(e.Error(), tc.says) {
				t.Errorf("error %+v; want kind %v, code %s, saying %q", err, tc.kind, tc.code, tc.says)
			}
			if len(w.sim.Shown(ref, "zhang")) > 0 {
				t.Error("shown all the same")
			}
		})
	}
}

func TestNewFaults(t *testing.T) {
	w := newWorld(t, sim.Options{})
	s := settings()
	s.Fields["colour"] = "blue"
	if _, err := app.New(s, w.deps()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"colour"}, s.Unread()); diff != "" {
		t.Errorf("fields that New did not read (-want +got):\n%s", diff)
	}
	for field, value := range map[string]any{"agent_id": -1, "aes_key": "short", "token": "", "corp_id": nil} {
		s := settings()
		s.Fields[field] = value
		_, err := app.New(s, w.deps())
		if said := strings.Join(s.Faults, "\n"); err == nil && !strings.Contains(said, field) || err != nil && !strings.Contains(err.Error(), field) {
			t.Errorf("%s = %v: error %v, faults %q", field, value, err, said)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/crowd"
	"parley/test/figures"
	"parley/test/ledger"
	"parley/test/rig"
)

func TestPerMessage(t *testing.T) {
	before := map[string]rig.Usage{"client": {CPU: time.Second}, "server": {CPU: 2 * time.Second}}
	after := map[string]rig.Usage{"client": {CPU: 3 * time.Second}, "server": {CPU: 2500 * time.Millisecond}}
	want := map[string]float64{"client": 20_000, "server": 5_000}
	if diff := cmp.Diff(want, perMessage(before, after, 100)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMemoryIsWhatTheTurnsAdded(t *testing.T) {
	o := observed{
		idle: map[string]sample{"client": {50 << 20, 10 << 20, 1 << 20, 100}},
		top:  map[string]sample{"client": {150 << 20, 60 << 20, 11 << 20, 2148}},
	}
	want := map[string]memory{"client": {Idle: o.idle["client"], Most: o.top["client"], PerTurn: 100 << 10, HeapTurn: 50 << 10, StackTurn: 10 << 10, Goroutines: 2}}
	if diff := cmp.Diff(want, o.memory(1024)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLoopIsOpen: turns begin when they are due, although none has ended.
func TestLoopIsOpen(t *testing.T) {
	const rate, n = 200, 40
	all := make(chan struct{})
	var running atomic.Int32
	var mu sync.Mutex
	var dues []time.Time
	turn := func(_ context.Context, due time.Time) (time.Duration, time.Duration, error) {
		mu.Lock()
		dues = append(dues, due)
		mu.Unlock()
		if running.Add(1) == n {
			close(all)
		}
		<-all
		return time.Second, 2 * time.Second, nil
	}
	var took times
	if got := loop(t.Context(), rate, n*time.Second/rate, turn, took.add); got != n {
		t.Errorf("%d turns, want %d", got, n)
	}
	first, last := dues[0], dues[0]
	for _, d := range dues {
		if d.Before(first) {
			first = d
		}
		if d.After(last) {
			last = d
		}
	}
	if got, want := last.Sub(first), (n-1)*time.Second/rate; got != want {
		t.Errorf("due within %s, want %s", got, want)
	}
	if len(took.first) != n || len(took.whole) != n {
		t.Errorf("%d first and %d whole times", len(took.first), len(took.whole))
	}
}

func TestTimesKeepFailuresApart(t *testing.T) {
	var took times
	took.add(0, 0, errors.New("cut"))
	took.add(0, 3*time.Second, nil) // no delta: the whole answer was the first that was seen
	took.add(time.Second, 2*time.Second, nil)
	if diff := cmp.Diff([]time.Duration{3 * time.Second, time.Second}, took.first); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if took.failed != 1 || took.noDelta != 1 || took.why == nil {
		t.Errorf("failed %d, without delta %d, why %v", took.failed, took.noDelta, took.why)
	}
}

// TestBareMeasuresTheModelItself runs it against the simulated model.
func TestBareMeasuresTheModelItself(t *testing.T) {
	sim := llm.New(llm.Options{Pace: llm.Pace{First: 60 * time.Millisecond, Between: 20 * time.Millisecond, Chunks: 5}, Answer: numbered})
	origin, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	first, whole, err := newBare(origin).turn(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if first < 60*time.Millisecond || whole < 140*time.Millisecond || whole <= first {
		t.Errorf("first delta after %s, whole answer after %s", first, whole)
	}
	sim.SetRules([]llm.Rule{{Fault: llm.Fault{Kind: llm.FaultTruncate, After: 2}}})
	if _, _, err := newBare(origin).turn(t.Context(), time.Now()); err == nil {
		t.Error("a cut stream is no error")
	}
}

func numbered(list []llm.Message) string {
	return ledger.Answer([]ledger.Line{{Role: "user", Text: list[len(list)-1].Content}})
}

// TestAskersKnowTheirAnswers: an answer to another question is a failure, in both forms.
func TestAskersKnowTheirAnswers(t *testing.T) {
	right := true
	sim := llm.New(llm.Options{Answer: func(list []llm.Message) string {
		if right {
			return numbered(list)
		}
		return ledger.Answer([]ledger.Line{{Role: "user", Text: ledger.Question(ledger.ID{Person: "other", N: 1})}})
	}})
	origin, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	a := newAsker(origin, "sk-key", "gpt-4o-mini")
	t.Cleanup(a.client.CloseIdleConnections)
	for _, stream := range []bool{false, true} {
		if _, whole, err := a.ask(t.Context(), time.Now(), stream); err != nil || whole <= 0 {
			t.Errorf("stream %v: %v", stream, err)
		}
	}
	right = false
	for _, stream := range []bool{false, true} {
		if _, _, err := a.ask(t.Context(), time.Now(), stream); err == nil || !strings.Contains(err.Error(), "was answered") {
			t.Errorf("stream %v: another's answer: %v", stream, err)
		}
	}
}

func TestQuantilesOfHistograms(t *testing.T) {
	before := make([]histogram, len(steps))
	after := make([]histogram, len(steps))
	for i := range steps {
		before[i], after[i] = histogram{}, histogram{}
	}
	before[1] = histogram{0.001: 100, 0.002: 100, math.Inf(1): 100}
	after[1] = histogram{0.001: 150, 0.002: 190, math.Inf(1): 200}
	want := []taken{{steps[1].name, 100, time.Millisecond, 2 * time.Millisecond}} // p99 is beyond the last bound
	if diff := cmp.Diff(want, between(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (histogram{1: 0, 2: 100, math.Inf(1): 100}).quantile(0.25); got != 1250*time.Millisecond {
		t.Errorf("a quarter of the bucket from 1 to 2 s is %s", got)
	}
	if got := bound(`{le="0.005",step="accept"}`); got != 0.005 {
		t.Errorf("bound %v", got)
	}
}

func TestPageSeesItsOwnAnswer(t *testing.T) {
	id := ledger.ID{Person: "w0001", N: 1}
	right := ledger.Answer([]ledger.Line{{Role: "user", Text: ledger.Question(id)}})
	event := func(name string, v map[string]any) string {
		b, _ := json.Marshal(v)
		return "event: " + name + "\ndata: " + string(b) + "\n\n"
	}
	live := event("live", map[string]any{"message": "w0001-1", "text": "【"})
	part := func(message, text string) string {
		return event("part", map[string]any{"message": message, "part": 1, "of": 1, "text": text})
	}
	cases := []struct {
		name   string
		events string
		first  bool
		fails  string
	}{
		{"delta and answer", live + live + part("w0001-1", right), true, ""},
		{"no delta", part("w0001-1", right), false, ""},
		{"another message's answer before", part("w0001-0", "x") + live + part("w0001-1", right), true, ""},
		{"a wrong answer", live + part("w0001-1", "抱歉"), true, "was answered"},
		{"the stream breaks", live, true, "broke"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			asked := make(chan struct{})
			mux := http.NewServeMux()
			mux.HandleFunc("POST /login", func(w http.ResponseWriter, _ *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
			})
			mux.HandleFunc("POST /messages", func(http.ResponseWriter, *http.Request) { close(asked) })
			mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("retry: 1000\n\n" + event("ready", nil)))
				_ = http.NewResponseController(w).Flush()
				<-asked
				_, _ = w.Write([]byte(c.events))
				_ = http.NewResponseController(w).Flush()
				if c.fails != "broke" {
					<-r.Context().Done()
				}
			})
			p := &page{base: "http://" + listen(t, mux), name: "w0001", waiting: map[string]*shown{}}
			if err := p.signIn(t.Context(), "token"); err != nil || p.cookie != "c=v" {
				t.Fatalf("cookie %q, error %v", p.cookie, err)
			}
			ready := make(chan error, 1)
			go p.listen(t.Context(), ready)
			if err := <-ready; err != nil {
				t.Fatal(err)
			}
			ps := &pages{free: make(chan *page, 1)}
			ps.free <- p
			first, whole, err := ps.turn(t.Context(), time.Now())
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got error %v, want one with %q", err, c.fails)
				}
				return
			}
			if err != nil || (first > 0) != c.first || whole <= 0 || first > whole {
				t.Errorf("first after %s, whole after %s, error %v", first, whole, err)
			}
		})
	}
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

func TestReportShowsFaults(t *testing.T) {
	people := crowd.New()
	people.Shown(wecom.Sent{User: "amy", Content: "抱歉"})
	bad := people.Check(20)
	r := &report{
		Machine:   figures.Run{CPU: "test", Cores: 2},
		Callbacks: &callbacksResult{Messages: 1, Asked: counts(bad), Ledger: bad.String(), CPU: map[string]float64{"client": 12.5}},
		Flight:    &flightResult{flight: flight{Turns: 10}, AtOnce: 10, Memory: map[string]memory{"client": {PerTurn: 1000}}},
		Delta:     &deltaResult{Failed: 2},
		Goals:     []goal{{"10 at once", "9", false}},
	}
	table := r.table()
	for _, want := range []string{"not an answer: amy", "CPU of client", "1.0 kB a turn", "10 at once", "9: NOT REACHED", "failed        0, 2"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	if err := r.verdict(); err == nil || !strings.Contains(err.Error(), "1 faults") || !strings.Contains(err.Error(), "2 turns failed") {
		t.Errorf("verdict %v", err)
	}
	if err := (&report{Callbacks: &callbacksResult{}, Flight: &flightResult{}, Weight: &weightResult{}, Delta: &deltaResult{}}).verdict(); err != nil {
		t.Errorf("verdict of a good run: %v", err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

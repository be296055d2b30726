package conversation_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// places is a fleet with a number of places, each taken for as long as an answer lasts. Whoever finds none stands in line for some seconds and
// is told so, as servers do. Without servers it refuses at once.
type places struct {
	mu    sync.Mutex
	free  int
	lasts time.Duration
	none  bool // there is no server
	order []string
	line  []chan struct{} // first come first served; closed when a place is theirs
	most  int             // in line at once
}

func newPlaces(n int, lasts time.Duration) *places { return &places{free: n, lasts: lasts} }

func (p *places) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	if err := p.enter(ctx); err != nil {
		return chat.Reply{}, err
	}
	defer p.leave()
	p.mu.Lock()
	p.order = append(p.order, req.Question)
	p.mu.Unlock()
	emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "sim", Model: "m"}})
	select {
	case <-time.After(p.lasts):
	case <-ctx.Done():
		return chat.Reply{}, chat.E(chat.Canceled, "test", ctx.Err())
	}
	return chat.Reply{Start: chat.Start{Provider: "sim", Model: "m"}, Text: "re: " + req.Question, FinishReason: "stop"}, nil
}

func (p *places) enter(ctx context.Context) error {
	p.mu.Lock()
	if p.none {
		p.mu.Unlock()
		return noServer
	}
	turn := make(chan struct{})
	p.line = append(p.line, turn)
	p.serve()
	p.most = max(p.most, len(p.line))
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.line, turn)
	if i < 0 {
		return nil // at the last moment
	}
	p.line = slices.Delete(p.line, i, i+1)
	return &chat.Error{Kind: chat.Overloaded, Op: "test", Code: chat.CodeKeysBusy, RetryAfter: 100 * time.Millisecond}
}

func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
	p.serve()
}

func (p *places) serve() {
	for p.free > 0 && len(p.line) > 0 {
		close(p.line[0])
		p.line = p.line[1:]
		p.free--
	}
}

func (p *places) open(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.none = !yes
}

// lineUp starts a process whose tenant is told after busyAfter, over a fleet.
func lineUp(t *testing.T, busyAfter time.Duration, fleet *places) (*world, *process, *everyPart) {
	w := newWorld(t)
	w.tenant.Limits.BusyAfter = busyAfter
	out := &everyPart{outlet: w.out}
	return w, w.start(func(o *conversation.Options) { o.Complete, o.Directory = fleet, everyWorld{w, out} }), out
}

// The front has no order within itself, but nobody overtakes a crowd.
func TestWhoHasWaitedLongestIsFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fleet := newPlaces(2, time.Second)
		w, p, out := lineUp(t, 0, fleet)
		const people = 300
		for i := range people { // twenty a second
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), fmt.Sprint(i))
			settle(50 * time.Millisecond)
		}
		settle(4 * time.Minute)
		if n := len(out.texts()); n != people {
			t.Fatalf("%d of %d were answered", n, people)
		}
		// Who came in the first seconds asked at once, before anybody was refused, and some of the last of these are lucky.
		worst := 0
		for i, q := range fleet.order {
			var n int
			_, _ = fmt.Sscan(q, &n)
			worst = max(worst, int(math.Abs(float64(n-i))))
		}
		if worst > 130 {
			t.Errorf("somebody was served %d places from where they stood", worst)
		}
		if fleet.most > 3*20+10 {
			t.Errorf("%d asked at once", fleet.most)
		}
	})
}

// Whoever would wait too long hears so at once; all others are answered, and soon; and the places are in use all the time.
func TestACrowdIsToldWhereItStands(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fleet := newPlaces(20, 2*time.Second) // ten a second
		w, p, out := lineUp(t, 20*time.Second, fleet)
		began := time.Now()
		for i := range 1800 { // thirty a second
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), fmt.Sprint(i))
			settle(time.Second / 30)
		}
		wrote := time.Since(began)
		settle(32 * time.Second) // half as much again as busy_after, and an answer
		told, answers := 0, 0
		for _, s := range out.texts() {
			switch {
			case strings.Contains(s, "re: "):
				answers++
			case s == "现在提问的人太多，轮到这条消息大约要等 1 分钟，所以没有处理，请稍后再发一次。":
				told++
			default:
				t.Errorf("shown %q", s)
			}
		}
		if answers+told != 1800 {
			t.Errorf("%d were answered and %d told, of 1800", answers, told)
		}
		if least := int(wrote.Seconds() * 10 * 0.9); answers < least {
			t.Errorf("%d answers in %v and after, want %d: places stood empty", answers, wrote, least)
		}
		if told < 600 {
			t.Errorf("only %d were told, though two in three could not be served", told)
		}
	})
}

// After an outage the pace before and in it says nothing: nobody is sent away who could be served in time.
func TestAnOutageIsNoPace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fleet := newPlaces(100, time.Second)
		fleet.open(false)
		w, p, out := lineUp(t, 30*time.Second, fleet)
		const people = 1500 // who can be served within 15 s
		for i := range people {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), fmt.Sprint(i))
		}
		settle(40 * time.Second)
		fleet.open(true)
		settle(40 * time.Second)
		for _, s := range out.texts() {
			if !strings.HasSuffix(s, "re: "+s[strings.LastIndexByte(s, ' ')+1:]) {
				t.Fatalf("shown %q", s)
			}
		}
		if n := len(out.texts()); n != people {
			t.Errorf("%d of %d were answered", n, people)
		}
	})
}

// Nor does a rest of all keys say how fast places come free after it.
func TestARestIsNoPace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fleet := newPlaces(0, time.Second)
		w, p, out := lineUp(t, 30*time.Second, fleet)
		const people = 1500 // who can be served within 15 s
		for i := range people {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), fmt.Sprint(i))
		}
		settle(70 * time.Second)
		fleet.mu.Lock()
		fleet.free = 100
		fleet.serve()
		fleet.mu.Unlock()
		settle(40 * time.Second)
		told := 0
		for _, s := range out.texts() {
			if strings.Contains(s, "太多") {
				told++
			}
		}
		if n := len(out.texts()); n != people || told > 0 {
			t.Errorf("%d of %d heard, %d of them that they would wait too long", n, people, told)
		}
	})
}

// The tenant's own words for busy are for this, too, unless it has words for this alone.
func TestTheTenantsWordsForACrowd(t *testing.T) {
	for name, c := range map[string]struct {
		texts map[string]string
		lang  string
		want  string
	}{
		"the product's": {nil, "zh", "现在提问的人太多，轮到"},
		"in English":    {nil, "en", "Too many people are asking right now: this message would have to wait about 1 min"},
		"busy":          {map[string]string{"busy": "人多"}, "zh", "人多"},
		"its own":       {map[string]string{"busy": "人多", "crowded": "等 {minutes} 分"}, "zh", "等 1 分"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				fleet := newPlaces(10, time.Second)
				w, p, out := lineUp(t, 5*time.Second, fleet)
				w.tenant.Texts, w.tenant.Language = c.texts, c.lang
				for i := range 500 {
					w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), "q")
					settle(30 * time.Millisecond)
				}
				settle(15 * time.Second)
				told := 0
				for _, s := range out.texts() {
					if strings.HasPrefix(s, c.want) {
						told++
					} else if s != "re: q" {
						t.Errorf("shown %q", s)
					}
				}
				if told == 0 {
					t.Error("nobody was told")
				}
			})
		})
	}
}

// A stop reaches whoever stands behind others, and so does a shutdown.
func TestWhoStandsBehindCanLeave(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fleet := newPlaces(1, time.Hour)
		w, p, out := lineUp(t, 30*time.Second, fleet)
		for i := range 100 {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), "q")
			settle(100 * time.Millisecond)
		}
		settle(10 * time.Second)
		w.sayAs(p, "u99", "stop", "/stop")
		settle(time.Second)
		if got := out.texts(); len(got) != 2 || got[0] != "（这条消息的回答已停止）" || got[1] != "已停止。" {
			t.Errorf("shown %q", got)
		}
		began := time.Now()
		p.stop()
		if took := time.Since(began); took > 6*time.Second { // the grace of the one that is answered
			t.Errorf("the shutdown took %v", took)
		}
	})
}

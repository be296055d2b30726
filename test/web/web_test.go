package web

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/llm"
	"parley/test/ledger"
)

const (
	people    = 6
	questions = 8
)

// Each replica is killed while people chat. Nobody loses an answer or sees one twice, all streams resume on what is left, and a page that is opened
// anew, at either replica, shows the same conversation, with the dialog in its order.
func TestKilledReplicasAndResumedStreams(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{First: 200 * time.Millisecond, Between: 60 * time.Millisecond})
	browsers := make([]*browser, people)
	var wg sync.WaitGroup
	watching, stop := context.WithCancel(ctx)
	for i := range browsers {
		b := open(t, s.entry.Addr)
		browsers[i] = b
		wg.Go(func() { b.watch(watching) })
	}
	var asking sync.WaitGroup
	for i, b := range browsers {
		asking.Go(func() {
			for n := 1; n <= questions; n++ {
				b.say(ctx, fmt.Sprintf("m%d", n), ledger.Question(ledger.ID{Person: fmt.Sprint("p", i), N: n}))
				if n%2 == 0 { // the odd ones wait behind their neighbour
					b.await(ctx, n)
				}
			}
			b.await(ctx, questions)
		})
	}
	s.strike(2 * time.Second)
	asking.Wait()
	for i, b := range browsers {
		b.judge(t, fmt.Sprint("p", i))
		if b.opened < 2 {
			t.Errorf("p%d's stream was never resumed: nothing was proved", i)
		}
		for _, c := range s.clients {
			anew := b.at(c.Addr)
			reading, end := context.WithCancel(ctx)
			wg.Go(func() { anew.watch(reading) })
			if diff := cmp.Diff(b.parts, anew.await(ctx, questions)); diff != "" {
				t.Errorf("p%d opened the page anew at %s and sees (-before +now):\n%s", i, c.Addr, diff)
			}
			end()
		}
	}
	stop()
	wg.Wait()
}

// judge checks that a browser saw each of its answers once, in their order, growing, and nobody else's.
func (b *browser) judge(t *testing.T, person string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []string
	for _, p := range b.parts {
		id, _ := ledger.Answered(p.Text)
		got = append(got, fmt.Sprintf("%s: %s", p.Message, id))
	}
	var want []string
	grown := 0
	for n := 1; n <= questions; n++ {
		want = append(want, fmt.Sprintf("m%d: %s.%d", n, person, n))
		grown += min(1, b.live[fmt.Sprintf("m%d", n)])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s saw (-want +got):\n%s", person, diff)
	}
	if grown < questions/2 {
		t.Errorf("%s saw only %d of %d answers grow", person, grown, questions)
	}
}

// A picture that a person adds reaches the model, in the bytes that were posted, and a page that is opened anew knows that it was there.
func TestPictureReachesTheModel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{})
	b := open(t, s.clients[0].Addr)
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { b.watch(watching) })
	defer wg.Wait()
	defer stop()
	jpeg := append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), strings.Repeat("x", 300<<10)...)
	b.say(ctx, "p1", ledger.Question(ledger.ID{Person: "p", N: 1}), base64.StdEncoding.EncodeToString(jpeg))
	parts := b.await(ctx, 1)
	if len(parts) != 1 || parts[0].Images != 1 || strings.Contains(parts[0].Text, "xxxx") {
		t.Errorf("parts = %+v", parts)
	}
	asked, err := s.model.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || len(asked[0].Images) != 1 || asked[0].Images[0].Type != "image/jpeg" || asked[0].Images[0].Bytes != len(jpeg) {
		t.Errorf("the model was asked %d times, with %+v", len(asked), asked)
	}
}

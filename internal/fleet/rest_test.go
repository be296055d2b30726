package fleet

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

func (nd *node) heard() []KeyRest {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	return nd.rests
}

func TestRestReachesAllOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nodes := n.fleet("a:1", "b:1", "c:1")
		synctest.Wait()
		began := time.Now()
		nodes[0].Fleet.Rest(testKey, 20*time.Second, chat.RateLimited, "429")
		nodes[0].Fleet.Rest(testKey, 20*time.Second, chat.RateLimited, "429") // they know
		if time.Since(began) != 0 {
			t.Error("Rest blocks")
		}
		time.Sleep(time.Second)
		nodes[0].Fleet.Rest(testKey, 30*time.Second, chat.RateLimited, "429") // it is longer now
		nodes[0].Fleet.Rest(testKey, 48*time.Hour, chat.Billing, "no money")
		nodes[0].Fleet.Rest(testKey, 0, chat.RateLimited, "")
		time.Sleep(time.Second)
		want := []KeyRest{
			{testKey, 20 * time.Second, chat.RateLimited, "429"}, {testKey, 30 * time.Second, chat.RateLimited, "429"},
			{testKey, time.Hour, chat.Billing, "no_money"},
		}
		for _, nd := range nodes[1:] {
			got := nd.heard()
			if len(got) == 3 && got[1].Kind == chat.Billing { // they were sent at the same moment
				got[1], got[2] = got[2], got[1]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", nd.addr, diff)
			}
		}
		if got := nodes[0].heard(); got != nil {
			t.Errorf("who tells it hears it, too: %v", got)
		}
	})
}

func TestARestThatCannotBeToldIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nodes := n.fleet("a:1", "b:1", "c:1")
		synctest.Wait()
		nodes[0].refuse["b:1"] = errors.New("cut")
		nodes[0].Fleet.Rest(testKey, time.Minute, chat.RateLimited, "")
		time.Sleep(time.Second)
		if len(nodes[1].heard()) != 0 || len(nodes[2].heard()) != 1 {
			t.Errorf("b heard %v, c heard %v", nodes[1].heard(), nodes[2].heard())
		}
		New(Options{Self: "a:1"}).Rest(testKey, time.Minute, chat.RateLimited, "") // there is nobody to tell
	})
}

func TestWhatComesFromTheWire(t *testing.T) {
	t.Parallel()
	good := KeyRest{Key: testKey, For: time.Minute, Kind: chat.RateLimited, Code: "429"}
	tests := map[string]struct {
		change func(*KeyRest)
		want   *KeyRest
	}{
		"good":               {func(*KeyRest) {}, &good},
		"very long":          {func(r *KeyRest) { r.For = 1000 * time.Hour }, &KeyRest{testKey, time.Hour, chat.RateLimited, "429"}},
		"a code of many":     {func(r *KeyRest) { r.Code = strings.Repeat("x", 1000) }, &KeyRest{testKey, time.Minute, chat.RateLimited, strings.Repeat("x", maxCode)}},
		"a code with breaks": {func(r *KeyRest) { r.Code = "a\nb\xff c" }, &KeyRest{testKey, time.Minute, chat.RateLimited, "a_b_c"}},
		"no time":            {func(r *KeyRest) { r.For = 0 }, nil},
		"negative":           {func(r *KeyRest) { r.For = -time.Second }, nil},
		"no key":             {func(r *KeyRest) { r.Key = "" }, nil},
		"a key with a space": {func(r *KeyRest) { r.Key = "a b" }, nil},
		"a long key":         {func(r *KeyRest) { r.Key = strings.Repeat("k", maxKey+1) }, nil},
		"a kind of no key":   {func(r *KeyRest) { r.Kind = chat.Rejected }, nil},
		"an unknown kind":    {func(r *KeyRest) { r.Kind = chat.ParseKind("nonsense") }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *KeyRest
			f := New(Options{Self: "a:1", OnRest: func(key string, d time.Duration, kind chat.Kind, code string) { got = &KeyRest{key, d, kind, code} }})
			r := good
			tt.change(&r)
			err := f.Rested(r)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (tt.want != nil) || err != nil && chat.KindOf(err) != chat.Invalid {
				t.Errorf("error %v", err)
			}
		})
	}
	f := New(Options{Self: "a:1"})
	for _, ask := range []KeyAsk{{Key: testKey}, {Key: testKey, Limit: -1}, {Key: testKey, Limit: 1 << 30}, {Key: "", Limit: 1}} {
		if err := f.Keep(t.Context(), ask, func() error { return nil }); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}

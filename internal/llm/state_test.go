package llm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
)

func TestKeyName(t *testing.T) {
	name := KeyName("chatglm", chat.NewSecret("sk-secret"))
	if want := "chatglm/a2456c75e55fa7682efde47467d697b5"; name != want || !keyNamed(name) { // neighbouring releases must agree
		t.Errorf("%s, want %s", name, want)
	}
	seen := map[string]bool{}
	for _, provider := range []string{"a", "b", "a.b"} {
		for i := range 1000 {
			seen[KeyName(provider, chat.NewSecret(fmt.Sprint(i)))] = true
		}
		seen[KeyName(provider, chat.Secret{})] = true
	}
	if len(seen) != 3*1001 {
		t.Errorf("%d names", len(seen))
	}
	for _, bad := range []string{"", "a", "a/", "/" + strings.Repeat("0", 32), "a/" + strings.Repeat("0", 31), "a/" + strings.Repeat("0", 33),
		"a/" + strings.Repeat("G", 32), "a/b/" + strings.Repeat("0", 32), strings.Repeat("a", 65) + "/" + strings.Repeat("0", 32)} {
		if keyNamed(bad) {
			t.Errorf("%q passes for a key's name", bad)
		}
	}
}

// Another server's word keeps a key from being used here, for as long as it says, and no longer than an hour.
func TestRestByAnothersWord(t *testing.T) {
	name := KeyName("a", chat.Secret{})
	for _, test := range []struct {
		title string
		name  string
		d     time.Duration
		kind  chat.Kind
		rests time.Duration
		busy  bool
	}{
		{"a rate limit", name, 40 * time.Second, chat.RateLimited, 40 * time.Second, true},
		{"no money", name, time.Minute, chat.Billing, time.Minute, false},
		{"Retry-After of an outage", name, time.Minute, chat.Overloaded, time.Minute, false},
		{"at most an hour", name, 48 * time.Hour, chat.Unauthenticated, time.Hour, false},
		{"no time", name, 0, chat.RateLimited, 0, false},
		{"a negative time", name, -time.Hour, chat.RateLimited, 0, false},
		{"no reason to rest", name, time.Hour, chat.Rejected, 0, false},
		{"another key", KeyName("a", chat.NewSecret("x")), time.Hour, chat.RateLimited, 0, false},
		{"another provider", KeyName("b", chat.Secret{}), time.Hour, chat.RateLimited, 0, false},
		{"no name of a key", "a", time.Hour, chat.RateLimited, 0, false},
	} {
		t.Run(test.title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched()
				b := newBench(t, providers("", "a"), map[string][]script{"a": {says("a")}}, func(o *Options) { o.Fleet = w })
				b.Rest(test.name, test.d, test.kind, "code")
				if test.rests > 0 {
					time.Sleep(test.rests - 1)
					_, err := b.ask(t.Context(), request())
					if err == nil || isBusy(err) != test.busy || !test.busy && chat.KindOf(err) != test.kind {
						t.Errorf("within the rest: %v", err)
					}
					time.Sleep(time.Nanosecond)
				}
				if _, err := b.ask(t.Context(), request()); err != nil {
					t.Error("after the rest:", err)
				}
				if len(w.rests) != 0 {
					t.Error("the word goes round in circles:", w.rests)
				}
			})
		})
	}
}

// A word that comes while this server's own probe is on its way must not leave the key without any.
func TestRestDuringAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := ring(), choice(0, "k")
		r.give(mustTake(t, r, c), kind(chat.RateLimited))
		time.Sleep(time.Second)
		probe := mustTake(t, r, c)
		r.Rest(probe.name, 10*time.Second, chat.RateLimited, "")
		r.give(probe, nil) // it began before the other server was refused
		if _, err := r.take(t.Context(), c); !isBusy(err) {
			t.Error("the word was not heard:", err)
		}
		time.Sleep(10 * time.Second)
		probe = mustTake(t, r, c)
		if _, err := r.take(t.Context(), c); !isBusy(err) {
			t.Error("a second probe:", err)
		}
		r.give(probe, nil)
		r.give(mustTake(t, r, c), nil)
	})
}

func TestForeignRestsAreBounded(t *testing.T) {
	r := ring()
	for i := range maxForeign + 1000 {
		r.Rest(fmt.Sprintf("a/%032x", i), time.Hour, chat.RateLimited, "")
	}
	if n := len(r.keys.state); n > maxForeign {
		t.Errorf("%d keys are remembered", n)
	}
	// This server's own keys find room all the same.
	r.give(mustTake(t, r, choice(0, "own")), kind(chat.RateLimited))
	if _, err := r.take(t.Context(), choice(0, "own")); !isBusy(err) {
		t.Error(err)
	}
}

func TestProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		doc := strings.Replace(providers(", concurrency: 3, key: [env:ONE_API_KEY, env:TWO_API_KEY]", "a"), "models:",
			"  b: {dialect: openai, base_url: 'http://fake/b'}\nmodels:", 1)
		doc = strings.Replace(doc, "[a/gpt-4o]", "[a/gpt-4o, b/gpt-4o]", 1)
		var b *bench
		var during []chat.ProviderState
		b = newBench(t, doc, map[string][]script{"b": {fails(kind(chat.Unavailable))}, "a": {
			fails(&chat.Error{Kind: chat.Billing, Op: "fake", Code: "1113"}),
			func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
				during = b.Providers()
				return says("a")(ctx, c, emit)
			}}})
		if _, err := b.ask(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		refused := chat.KeyRest{
			Fingerprint: chat.NewSecret("env:ONE_API_KEY").Fingerprint(), Kind: "billing", Code: "1113", Until: during[0].Rests[0].Until,
		}
		if until := time.UnixMilli(refused.Until); time.Until(until) < restRefused*3/4-time.Second || time.Until(until) > restRefused {
			t.Errorf("it rests until %v, now is %v", until, time.Now())
		}
		a := chat.ProviderState{
			Name: "a", Keys: 2, Resting: 1, Concurrency: 3, InFlight: 1, NeedsKey: b.table.Provider("a").NeedsKey, Rests: []chat.KeyRest{refused},
		}
		idle := chat.ProviderState{Name: "b", NeedsKey: b.table.Provider("b").NeedsKey}
		if diff := cmp.Diff([]chat.ProviderState{a, idle}, during); diff != "" {
			t.Error("within a turn", diff)
		}
		req := request()
		req.Providers = []string{"b"}
		for range 2 { // three calls each
			_, _ = b.ask(t.Context(), req)
		}
		a.InFlight, idle.Open = 0, true
		if diff := cmp.Diff([]chat.ProviderState{a, idle}, b.Providers()); diff != "" {
			t.Error("after an outage of b", diff)
		}
		time.Sleep(shutFirst + restRefused)
		a.Resting, a.Rests, idle.Open = 0, nil, false
		if diff := cmp.Diff([]chat.ProviderState{a, idle}, b.Providers()); diff != "" {
			t.Error("after the rests", diff)
		}
		b.table = nil
		if list := b.Providers(); list != nil {
			t.Error(list)
		}
	})
}

// Rests tell which key, why and until when, also by another server's word, and nothing of the key itself.
func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refs []string
		for i := range 30 {
			refs = append(refs, fmt.Sprintf("env:K%d_API_KEY", i))
		}
		b := newBench(t, providers(", key: ["+strings.Join(refs, ", ")+"]", "a"), nil)
		rest := func(i int, kind chat.Kind, code string) chat.KeyRest {
			key := chat.NewSecret(refs[i])
			b.Rest(KeyName("a", key), time.Minute, kind, code)
			return chat.KeyRest{Fingerprint: key.Fingerprint(), Kind: kind.String(), Code: code, Until: time.Now().Add(time.Minute).UnixMilli()}
		}
		want := []chat.KeyRest{rest(3, chat.Unauthenticated, "invalid_api_key"), rest(7, chat.Billing, "1113"), rest(29, chat.RateLimited, "")}
		if diff := cmp.Diff(want, b.Providers()[0].Rests); diff != "" {
			t.Error(diff)
		}
		if all := fmt.Sprintf("%+v", b.Providers()); strings.Contains(all, "_API_KEY") {
			t.Error("a key is told:", all)
		}
		for i := range refs {
			rest(i, chat.Billing, "")
		}
		if p := b.Providers()[0]; p.Resting != 30 || len(p.Rests) != mostRests {
			t.Errorf("%d rest, %d are told", p.Resting, len(p.Rests))
		}
		time.Sleep(time.Minute)
		if rests := b.Providers()[0].Rests; len(rests) != 0 {
			t.Error("after the rests:", rests)
		}
	})
}

func TestUnresolvedKeys(t *testing.T) {
	const doc = `providers:
  a: {dialect: openai, base_url: 'http://fake/a', key: [env:HAVE_API_KEY, env:GONE_API_KEY, env:EMPTY_API_KEY]}
  a.key: {dialect: openai, base_url: 'http://fake/b', key: env:GONE_API_KEY}
  b: {dialect: openai, base_url: 'http://fake/b', key: env:HAVE_API_KEY}
  c: {dialect: openai, base_url: 'http://fake/c'}
models: {chat: [a/gpt-4o]}
`
	table, err := route.Parse([]byte(doc), route.Options{Outbound: []string{"http://fake"}, Dialects: []string{"openai"},
		Resolve: func(ref string) (chat.Secret, error) {
			switch ref {
			case "env:GONE_API_KEY":
				return chat.Secret{}, errors.New("it is not set")
			case "env:EMPTY_API_KEY":
				return chat.Secret{}, nil
			}
			return chat.NewSecret(ref), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, providers("", "a"), nil)
	b.table = table
	got := map[string][2]int{}
	for _, p := range b.Providers() {
		got[p.Name] = [2]int{p.Keys, p.Unresolved}
	}
	if diff := cmp.Diff(map[string][2]int{"a": {1, 2}, "a.key": {0, 1}, "b": {1, 0}, "c": {0, 0}}, got); diff != "" {
		t.Error("keys, unresolved:", diff)
	}
}

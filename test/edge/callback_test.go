package edge

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/sim/wecom"
	"parley/test/rig"
)

var (
	seed      = flag.Uint64("seed", 0, "of the mutations; 0: another one each time")
	mutations = flag.Int("mutations", 3000, "how many mutated deliveries are posted")
)

// TestMutatedCallbacks posts deliveries that the platform signed and somebody changed in one place. None may get into a mailbox.
func TestMutatedCallbacks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	acme, beta := newCompany("acme"), newCompany("beta")
	s := newStage(ctx, t, acme, beta)
	client := s.client(ctx, "client", s.redisYAML(), acme, beta)
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("again with: -seed %d", *seed)
	m := &mutator{rand: rand.New(rand.NewPCG(*seed, 1)), now: time.Now(), acme: acme, beta: beta}
	list := make([]mutant, *mutations)
	for i := range list {
		list[i] = m.next()
	}
	before := s.storedKeys(ctx)

	tried := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan mutant)
	for range 16 {
		wg.Go(func() {
			for x := range work {
				status, err := x.post(ctx, client.Addr)
				mu.Lock()
				tried[x.kind]++
				if err != nil || status == http.StatusOK {
					t.Errorf("%s: status %d, %v: %s?%s\n%s", x.kind, status, err, x.path, x.query.Encode(), x.body)
				}
				mu.Unlock()
			}
		})
	}
	for _, x := range list {
		work <- x
	}
	close(work)
	wg.Wait()
	t.Log("refused:", tried)
	for _, k := range m.kinds() {
		if tried[k.name] == 0 {
			t.Errorf("none of %d mutations was %q", len(list), k.name)
		}
	}
	for _, st := range s.status(ctx, "client", append(acme.env(), beta.env()...)) {
		if st.Waiting+st.Running+st.Ready+st.Dead != 0 {
			t.Errorf("something was taken in: %+v", st)
		}
	}
	if after := s.storedKeys(ctx); after != before {
		t.Errorf("the store has other keys than before:\n%s\nbefore:\n%s", after, before)
	}
	if posted := s.sim.Stats(); posted.Shown != 0 {
		t.Errorf("somebody was shown something: %+v", posted)
	}
	// The same deliveries, unchanged: what refused them was the change.
	s.entry([]company{acme, beta}, client)
	s.say(ctx, acme.app, "acme-zhang", "你好", 1)
	s.say(ctx, beta.app, "beta-li", "你好", 1)
}

// TestReplayedCallbacks posts one signed delivery again: later, by many at once, to another replica. It makes one turn.
func TestReplayedCallbacks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	acme := newCompany("acme")
	s := newStage(ctx, t, acme)
	a, b := s.client(ctx, "client-a", s.redisYAML(), acme), s.client(ctx, "client-b", s.redisYAML(), acme)
	s.entry([]company{acme}, a)
	captured := func(id, user string) mutant {
		query, body, err := wecom.Seal(acme.app, wecom.Message{User: user, Type: "text", Text: "你好", ID: id, CreatedAt: time.Now()}, time.Now())
		s.must(err)
		return mutant{method: http.MethodPost, path: "/callback/acme/app", query: query, body: body}
	}
	once := func(x mutant, at *rig.Node) {
		status, err := x.post(ctx, at.Addr)
		for range 2 { // as the platform does when a disk stands still for a second
			if status == http.StatusServiceUnavailable {
				status, err = x.post(ctx, at.Addr)
			}
		}
		if err != nil || status != http.StatusOK {
			t.Errorf("status %d, %v: a repetition is acknowledged like the first", status, err)
		}
	}
	later, atOnce, fresh := captured("7001", "acme-later"), captured("7002", "acme-many"), captured("7003", "acme-fresh")
	once(later, a)
	once(fresh, a)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { once(atOnce, []*rig.Node{a, b}[i%2]) })
	}
	wg.Wait()
	for _, user := range []string{"acme-later", "acme-many", "acme-fresh"} {
		_, err := s.sim.Await(ctx, acme.app.Ref, user, 1)
		s.must(err)
	}
	// The capture comes back after the answer, after WeCom's own second and third try would have come, and sealed anew as the platform does.
	time.Sleep(time.Second)
	once(later, a)
	once(later, b)
	once(atOnce, b)
	once(captured("7003", "acme-fresh"), b)
	// Whoever comes after them in the same conversations is answered after whatever they left behind.
	for i, user := range []string{"acme-later", "acme-many", "acme-fresh"} {
		shown := s.say(ctx, acme.app, user, "还有呢", 2)
		if len(shown) != 2 {
			t.Errorf("%d: %s was shown %d messages for 2: %+v", i, user, len(shown), shown)
		}
	}
	stats, err := s.model.Stats(ctx)
	s.must(err)
	if stats.Ended != 6 {
		t.Errorf("the model was asked %d times for 6 messages", stats.Ended)
	}
}

// storedKeys lists what Redis holds, heartbeats and the processes' leases apart.
func (s *stage) storedKeys(ctx context.Context) string {
	s.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.rig.Redis.Addr})
	defer rdb.Close()
	var out bytes.Buffer
	for it := rdb.Scan(ctx, 0, "parley:1:{*}:[mhcdrsufl]*", 1000).Iterator(); it.Next(ctx); {
		fmt.Fprintln(&out, it.Val())
	}
	return out.String()
}

// mutant is a request that was a genuine delivery before somebody touched it.
type mutant struct {
	kind, method, path string
	query              url.Values
	body               []byte
}

func (x mutant) post(ctx context.Context, addr string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, x.method, "http://"+addr+x.path+"?"+x.query.Encode(), bytes.NewReader(x.body))
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// mutator makes mutants.
type mutator struct {
	rand       *rand.Rand
	now        time.Time
	acme, beta company
	n          int
}

type kind struct {
	name string
	make func(m *mutator, x *mutant)
}

func (m *mutator) kinds() []kind {
	changeParam := func(name string) func(*mutator, *mutant) {
		return func(m *mutator, x *mutant) { x.query.Set(name, m.change(x.query.Get(name))) }
	}
	dropParam := func(name string) func(*mutator, *mutant) { return func(_ *mutator, x *mutant) { x.query.Del(name) } }
	resealed := func(path string, of func(m *mutator) (wecom.App, time.Time)) func(*mutator, *mutant) {
		return func(m *mutator, x *mutant) {
			app, at := of(m)
			x.path = path
			x.query, x.body = m.seal(app, at)
		}
	}
	return []kind{
		{"signature changed", changeParam("msg_signature")},
		{"timestamp changed", changeParam("timestamp")},
		{"nonce changed", changeParam("nonce")},
		{"signature missing", dropParam("msg_signature")},
		{"timestamp missing", dropParam("timestamp")},
		{"nonce missing", dropParam("nonce")},
		{"ciphertext changed", (*mutator).changeCiphertext},
		{"body cut", func(m *mutator, x *mutant) {
			x.body = x.body[:m.rand.IntN(bytes.LastIndex(x.body, []byte("]]></Encrypt>")))]
		}},
		{"a digit moved from nonce to timestamp", func(_ *mutator, x *mutant) { // the signature covers their concatenation
			ts, nonce := x.query.Get("timestamp"), x.query.Get("nonce")
			x.query.Set("timestamp", ts+nonce[:1])
			x.query.Set("nonce", nonce[1:])
		}},
		{"as GET", func(_ *mutator, x *mutant) { x.method = http.MethodGet }},
		{"as GET with the message as echostr", func(_ *mutator, x *mutant) {
			x.method = http.MethodGet
			x.query.Set("echostr", string(ciphertext(x.body)))
			x.body = nil
		}},
		{"as PUT", func(_ *mutator, x *mutant) { x.method = http.MethodPut }},
		{"to another tenant", func(_ *mutator, x *mutant) { x.path = "/callback/beta/app" }},
		{"to another channel", func(_ *mutator, x *mutant) { x.path = "/callback/acme/app2" }},
		{"to a channel of another kind", func(_ *mutator, x *mutant) { x.path = "/callback/acme/web" }},
		{"to nobody", func(m *mutator, x *mutant) { x.path = "/callback/acme/" + m.word() }},
		{"from another application", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) { return m.acme.second, m.now })},
		{"for another receiver", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) { return m.beta.app, m.now })},
		{"for a receiver that begins so", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) {
			app := m.acme.app
			app.CorpID += m.word()
			return app, m.now
		})},
		{"sealed with another key", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) {
			app := m.acme.app
			app.AESKey = "Z" + app.AESKey[1:]
			return app, m.now
		})},
		{"signed with another token", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) {
			app := m.acme.app
			app.Token = m.change(app.Token)
			return app, m.now
		})},
		{"stale", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) {
			return m.acme.app, m.now.Add(-24*time.Hour - time.Duration(m.rand.Int64N(int64(10000*time.Hour))))
		})},
		{"of the future", resealed("/callback/acme/app", func(m *mutator) (wecom.App, time.Time) {
			return m.acme.app, m.now.Add(30*time.Minute + time.Duration(m.rand.Int64N(int64(10000*time.Hour))))
		})},
	}
}

// next makes a genuine delivery to acme's application and changes it.
func (m *mutator) next() mutant {
	kinds := m.kinds()
	k := kinds[m.n%len(kinds)]
	m.n++
	x := mutant{kind: k.name, method: http.MethodPost, path: "/callback/acme/app"}
	x.query, x.body = m.seal(m.acme.app, m.now)
	k.make(m, &x)
	return x
}

func (m *mutator) seal(app wecom.App, at time.Time) (url.Values, []byte) {
	query, body, err := wecom.Seal(app, wecom.Message{
		User: "acme-" + m.word(), Type: "text", Text: m.word(), ID: strconv.Itoa(1_000_000 + m.n), CreatedAt: at,
	}, at)
	if err != nil {
		panic(err) // the keys are constants
	}
	return query, body
}

func (m *mutator) word() string { return strconv.FormatUint(1+m.rand.Uint64N(1<<40), 36) }

// change alters one byte, drops one, adds one, or takes another word altogether.
func (m *mutator) change(was string) string {
	for {
		b := []byte(was)
		i := m.rand.IntN(len(b))
		switch m.rand.IntN(4) {
		case 0:
			b[i] ^= 1 << m.rand.IntN(8)
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = append(b[:i], append([]byte{byte(m.rand.IntN(256))}, b[i:]...)...)
		default:
			b = []byte(m.word())
		}
		if string(b) != was {
			return string(b)
		}
	}
}

func ciphertext(body []byte) []byte {
	_, rest, _ := bytes.Cut(body, []byte("<Encrypt><![CDATA["))
	sealed, _, _ := bytes.Cut(rest, []byte("]]>"))
	return sealed
}

// changeCiphertext replaces one letter of the ciphertext by another of base64's.
func (m *mutator) changeCiphertext(x *mutant) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	sealed := ciphertext(x.body)
	changed := bytes.Clone(sealed)
	i := m.rand.IntN(len(changed))
	for changed[i] == sealed[i] {
		changed[i] = letters[m.rand.IntN(len(letters))]
	}
	x.body = bytes.Replace(x.body, sealed, changed, 1)
}

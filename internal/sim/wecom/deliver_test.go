package wecom

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// unseal is what a receiver does, written from the document and not from seal.
func unseal(t *testing.T, a App, encrypt string) (message, receiver string) {
	t.Helper()
	key, _ := base64.StdEncoding.DecodeString(a.AESKey + "=")
	data, err := base64.StdEncoding.DecodeString(encrypt)
	if err != nil || len(data)%32 != 0 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	block, _ := aes.NewCipher(key)
	cipher.NewCBCDecrypter(block, key[:16]).CryptBlocks(data, data)
	data = data[:len(data)-int(data[len(data)-1])]
	size := binary.BigEndian.Uint32(data[16:])
	return string(data[20 : 20+size]), string(data[20+size:])
}

// received is one request that a callback got.
type received struct {
	query, inner, receiver string
	doc                    struct {
		ID      string `xml:"MsgId"`
		From    string `xml:"FromUserName"`
		Content string `xml:"Content"`
		Event   string `xml:"Event"`
		Agent   string `xml:"AgentID"`
	}
}

// receiver starts a callback; answer gets the number of the request, from 1.
func receiver(t *testing.T, a App, answer func(n int, w http.ResponseWriter)) (string, func() []received) {
	t.Helper()
	var mu sync.Mutex
	var got []received
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var outer struct{ ToUserName, AgentID, Encrypt string }
		if err := xml.Unmarshal(body, &outer); err != nil || outer.ToUserName != a.CorpID || outer.AgentID != fmt.Sprint(a.AgentID) {
			t.Errorf("%v: %s", err, body)
		}
		q := r.URL.Query()
		if q.Get("msg_signature") != sign(a.Token, q.Get("timestamp"), q.Get("nonce"), outer.Encrypt) {
			t.Errorf("signature of %s", r.URL)
		}
		var rec received
		rec.query = r.URL.RawQuery
		rec.inner, rec.receiver = unseal(t, a, outer.Encrypt)
		if err := xml.Unmarshal([]byte(rec.inner), &rec.doc); err != nil {
			t.Error(err)
		}
		mu.Lock()
		got = append(got, rec)
		n := len(got)
		mu.Unlock()
		answer(n, w)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []received {
		mu.Lock()
		defer mu.Unlock()
		return append([]received(nil), got...)
	}
}

func TestPushUntilAcknowledged(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter)
		tries  int
		acked  bool
	}{
		{"at once", func(int, http.ResponseWriter) {}, 1, true},
		{"503, then 200", func(n int, w http.ResponseWriter) {
			if n == 1 {
				w.WriteHeader(503)
			}
		}, 2, true},
		{"204 is not 200", func(_ int, w http.ResponseWriter) { w.WriteHeader(204) }, 3, false},
		{"cut, cut, 200", func(n int, _ http.ResponseWriter) {
			if n < 3 {
				panic(http.ErrAbortHandler)
			}
		}, 3, true},
		{"a redirect", func(_ int, w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(302) }, 3, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := testApp()
			url, got := receiver(t, app, tc.answer)
			app.Callbacks = []string{url}
			b := newBench(t, Options{AckWithin: 20 * time.Second, Pause: 30 * time.Millisecond}, app)
			posted, err := b.Say(t.Context(), ref, "zhang", "a ]]> <b>&amp;")
			if posted.Acked != tc.acked || (err == nil) != tc.acked || len(posted.Tries) != tc.tries || len(got()) != tc.tries {
				t.Fatalf("acknowledged %v, %d tries, %d received, %v", posted.Acked, len(posted.Tries), len(got()), err)
			}
			queries := make(map[string]bool)
			for _, r := range got() {
				queries[r.query] = true
				if r.receiver != app.CorpID || r.doc.ID != posted.ID || r.doc.From != "zhang" || r.doc.Content != "a ]]> <b>&amp;" || r.doc.Agent != "1000002" {
					t.Errorf("%s for %q", r.inner, r.receiver)
				}
			}
			if len(queries) != tc.tries {
				t.Errorf("%d different proofs for %d tries", len(queries), tc.tries)
			}
			if s := b.Stats(); s.Posted != 1 || s.Tries != tc.tries {
				t.Errorf("%+v", s)
			}
			if ledger := b.Posted(ref, "zhang"); len(ledger) != 1 || ledger[0].Acked != tc.acked {
				t.Errorf("%+v", ledger)
			}
		})
	}
}

func TestEventsHaveNoID(t *testing.T) {
	app := testApp()
	url, got := receiver(t, app, func(int, http.ResponseWriter) {})
	app.Callbacks = []string{url}
	b := newBench(t, Options{}, app)
	if _, err := b.Enter(t.Context(), ref, "zhang"); err != nil {
		t.Fatal(err)
	}
	if r := got()[0]; r.doc.ID != "" || r.doc.Event != "enter_agent" || strings.Contains(r.inner, "MsgId") {
		t.Error(r.inner)
	}
}

func TestNobodyListens(t *testing.T) {
	b := newBench(t, Options{AckWithin: time.Millisecond}, testApp())
	if posted, err := b.Say(t.Context(), ref, "zhang", "a"); err == nil || posted.Acked {
		t.Errorf("%+v, %v", posted, err)
	}
	if err := b.Verify(t.Context(), ref); err == nil {
		t.Error("verified")
	}
	if _, err := b.Say(t.Context(), Ref{CorpID: "none"}, "zhang", "a"); err == nil || !strings.Contains(err.Error(), "no application none/0") {
		t.Errorf("error %v", err)
	}
}

func TestVerify(t *testing.T) {
	app := testApp()
	for _, tc := range []struct {
		name   string
		answer func(plain string) string
		ok     bool
	}{
		{"the plaintext", func(p string) string { return p }, true},
		{"in quotes", func(p string) string { return `"` + p + `"` }, false},
		{"with a newline", func(p string) string { return p + "\n" }, false},
		{"empty", func(string) string { return "" }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Get("msg_signature") != sign(app.Token, q.Get("timestamp"), q.Get("nonce"), q.Get("echostr")) {
					t.Error("signature")
				}
				plain, _ := unseal(t, app, q.Get("echostr"))
				fmt.Fprint(w, tc.answer(plain))
			}))
			defer server.Close()
			app.Callbacks = []string{server.URL}
			b := newBench(t, Options{}, app)
			if err := b.Verify(t.Context(), ref); (err == nil) != tc.ok {
				t.Errorf("Verify = %v", err)
			}
		})
	}
}

// TestManyPeople drives the platform as a load does.
func TestManyPeople(t *testing.T) {
	app := testApp()
	url, _ := receiver(t, app, func(int, http.ResponseWriter) {})
	app.Callbacks = []string{url}
	b := newBench(t, Options{}, app)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			user := fmt.Sprint("user", i)
			for n := range 3 {
				if _, err := b.Say(t.Context(), ref, user, fmt.Sprint(n)); err != nil {
					t.Error(err)
				}
				b.send(text(user, fmt.Sprint(n), ""))
			}
			if shown, err := b.Await(t.Context(), ref, user, 3); err != nil || shown[2].Content != "2" {
				t.Errorf("%s: %+v, %v", user, shown, err)
			}
		})
	}
	wg.Wait()
	if s := b.Stats(); s.Posted != 600 || s.Acked != 600 || s.Shown != 600 {
		t.Errorf("%+v", s)
	}
	if n := len(b.People(ref)); n != 200 {
		t.Errorf("%d people", n)
	}
}

func TestAcknowledgedMessagesComeAgain(t *testing.T) {
	var mu sync.Mutex
	got := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got++
	}))
	defer srv.Close()
	s := New(Options{Again: 3, AckWithin: 20 * time.Second, Pause: 300 * time.Millisecond})
	a := App{Ref: Ref{"ww1", 7}, Secret: "s", Token: "t", AESKey: strings.Repeat("k", 43), Callbacks: []string{srv.URL}}
	if err := s.AddApp(a); err != nil {
		t.Fatal(err)
	}
	const messages = 40
	tries := 0
	for range messages {
		p, err := s.Say(t.Context(), a.Ref, "amy", "你好")
		if err != nil {
			t.Fatal(err)
		}
		tries += len(p.Tries)
	}
	// The last ones may still be on their way; that none of 40 came again has a chance of 4^-40.
	deadline := time.Now().Add(30 * time.Second)
	for s.Stats().Again == 0 {
		if time.Now().After(deadline) {
			t.Fatal("none came again")
		}
		time.Sleep(time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	if st := s.Stats(); got > tries+3*messages || st.Tries != tries || st.Again > 3*messages || st.AgainAcked > st.Again {
		t.Errorf("%d deliveries, %+v", got, st)
	}
}

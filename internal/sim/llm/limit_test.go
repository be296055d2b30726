package llm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// What a vendor says of a limit, in its own words and headers.
func TestLimits(t *testing.T) {
	const input = 2
	for _, test := range []struct {
		v       Vendor
		limits  Limits
		code    string
		headers map[string]bool // of the refusal, and whether they are there
	}{
		{OpenAI, Limits{Requests: 2}, "rate_limit_exceeded", map[string]bool{"X-Ratelimit-Limit-Requests": true, "X-Ratelimit-Reset-Requests": true, "Retry-After": true, "X-Ratelimit-Limit-Tokens": false}},
		{OpenAI, Limits{Tokens: 2 * (input + 10)}, "rate_limit_exceeded", map[string]bool{"X-Ratelimit-Remaining-Tokens": true, "Retry-After": true}},
		{Azure, Limits{Requests: 2}, "429", map[string]bool{"Retry-After": true}},
		{ChatGLM, Limits{Requests: 2}, "1303", map[string]bool{"X-Ratelimit-Limit-Requests": false, "Retry-After": false}},
		{ERNIE, Limits{Requests: 2}, "rpm_rate_limit_exceeded", map[string]bool{"X-Ratelimit-Limit-Requests": true, "X-Ratelimit-Reset-Requests": false, "Retry-After": false}},
		{ERNIE, Limits{Tokens: 2 * (input + 16)}, "tpm_rate_limit_exceeded", map[string]bool{"X-Ratelimit-Remaining-Tokens": true, "Retry-After": false}},
	} {
		t.Run(fmt.Sprintf("%s %+v", test.v, test.limits), func(t *testing.T) {
			s, url := start(t, Options{Vendor: test.v, Limits: LimitTable{Default: test.limits}})
			for range 2 {
				if resp, body := ask(t, test.v, url, hello); resp.StatusCode != 200 {
					t.Fatalf("%d %s", resp.StatusCode, body)
				}
			}
			resp, body := ask(t, test.v, url, hello)
			if resp.StatusCode != 429 || !strings.Contains(body, `"code":"`+test.code+`"`) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			for name, want := range test.headers {
				if _, ok := resp.Header[name]; ok != want {
					t.Errorf("%s is there: %v; %v", name, ok, resp.Header)
				}
			}
			key := chat.NewSecret(vendors[test.v].key).Fingerprint()
			if got := s.Keys()[key]; got != (KeyStats{Most: 1, Calls: 2, Limited: 1}) {
				t.Errorf("%+v", got)
			}
			if l := s.Ledger(); l[2].Outcome != Refused || l[2].Code != test.code {
				t.Errorf("%+v", l[2])
			}
			s.SetLimits(LimitTable{})
			if resp, body := ask(t, test.v, url, hello); resp.StatusCode != 200 {
				t.Errorf("without limits: %d %s", resp.StatusCode, body)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	b, now := bucket{}, time.Unix(1_800_000_000, 0)
	if got := b.left(60, now); got != 60 {
		t.Errorf("full: %v", got)
	}
	b.spent += 60
	if got := b.until(60, 1, now); got != time.Second {
		t.Errorf("the next comes after %v", got)
	}
	if got := b.left(60, now.Add(30*time.Second)); got != 30 {
		t.Errorf("after half a minute: %v", got)
	}
	if got := b.until(60, 60, now.Add(30*time.Second)); got != 30*time.Second {
		t.Errorf("full after %v", got)
	}
	if got := b.left(60, now.Add(time.Hour)); got != 60 {
		t.Errorf("after an hour: %v", got)
	}
}

// At no moment do more calls run with a key than its limit; other keys are not touched.
func TestConcurrencyPerKey(t *testing.T) {
	s, url := start(t, Options{Vendor: ChatGLM, Pace: Pace{First: 2 * time.Second}})
	own := chat.NewSecret("b.2").Fingerprint()
	s.SetLimits(LimitTable{Default: Limits{Concurrency: 4}, Keys: map[string]Limits{own: {Concurrency: 1}}})
	c := client(t, true)
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 60 {
		key := []string{"a.1", "b.2"}[i%2]
		wg.Go(func() {
			resp, body := do(t, c, "POST", url+"/api/paas/v4/chat/completions", key, `{"model":"glm-4.6",`+hello+`}`)
			mu.Lock()
			defer mu.Unlock()
			codes[fmt.Sprint(key, " ", resp.StatusCode, " ", strings.Contains(body, `"code":"1302"`))]++
		})
	}
	wg.Wait()
	for key, limit := range map[string]int{"a.1": 4, "b.2": 1} {
		got := s.Keys()[chat.NewSecret(key).Fingerprint()]
		want := KeyStats{Most: limit, Calls: codes[key+" 200 false"], Limited: codes[key+" 429 true"]}
		if diff := cmp.Diff(want, got); diff != "" || got.Calls+got.Limited != 30 || got.Limited == 0 {
			t.Errorf("%s: %v %s", key, codes, diff)
		}
	}
}

// Faults and limits are switched on and off while it runs.
func TestSwitches(t *testing.T) {
	_, url := start(t, Options{Vendor: ERNIE})
	c := client(t, false)
	set := func(method, what, body string) {
		t.Helper()
		if resp, said := do(t, c, method, url+"/_sim/"+what, "", body); resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s", what, resp.StatusCode, said)
		}
	}
	expect := func(status int) {
		t.Helper()
		if resp, body := ask(t, ERNIE, url, hello); resp.StatusCode != status {
			t.Errorf("%d %s, want %d", resp.StatusCode, body, status)
		}
	}
	set("PUT", "rules", `[{"fault":{"kind":"status","code":"account_overdue"}}]`)
	expect(http.StatusForbidden)
	_, body := do(t, c, "GET", url+"/_sim/rules", "", "")
	var rules []Rule
	if err := json.Unmarshal([]byte(body), &rules); err != nil || !cmp.Equal(rules, []Rule{{Fault: Fault{Kind: FaultStatus, Code: "account_overdue"}}}) {
		t.Errorf("%s, %v", body, err)
	}
	set("DELETE", "rules", "")
	expect(http.StatusOK)
	set("PUT", "limits", `{"default":{"requests":1}}`)
	expect(http.StatusOK)
	expect(http.StatusTooManyRequests)
	set("PUT", "limits", `{"default":{"requests":1},"keys":{"`+chat.NewSecret(vendors[ERNIE].key).Fingerprint()+`":{"requests":1000}}}`)
	expect(http.StatusOK)
	var keys map[string]KeyStats
	_, body = do(t, c, "GET", url+"/_sim/keys", "", "")
	if err := json.Unmarshal([]byte(body), &keys); err != nil || len(keys) != 1 {
		t.Errorf("%s, %v", body, err)
	}
}

func TestWindowAndLength(t *testing.T) {
	for v := range vendors {
		s, url := start(t, Options{Vendor: v, Window: 4})
		if resp, body := ask(t, v, url, hello+`,"max_tokens":5`); resp.StatusCode != 200 || !strings.Contains(body, `"finish_reason":"length"`) {
			t.Errorf("%s: %s", v, body)
		}
		if e := s.Ledger()[0]; e.Usage.Output-e.Usage.Reasoning != 5 {
			t.Errorf("%s wrote %d tokens", v, e.OutputTokens)
		}
		resp, body := ask(t, v, url, `"messages":[{"role":"user","content":"你好吗吗吗"}]`)
		if resp.StatusCode != 400 || !strings.Contains(body, v.spec().does.large) {
			t.Errorf("%s: %d %s", v, resp.StatusCode, body)
		}
	}
}

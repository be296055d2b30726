package llm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"parley/internal/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s := New(o)
	url, stop, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, url
}

// client speaks HTTP/1.1 or, with prior knowledge, h2c.
func client(t *testing.T, h2c bool) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(!h2c)
	p.SetUnencryptedHTTP2(h2c)
	tr := &http.Transport{Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func do(t *testing.T, c *http.Client, method, url, key, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return send(t, c, req)
}

func send(t *testing.T, c *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, "broken: " + err.Error()
	}
	return resp, string(all)
}

// question is a request with two earlier turns.
func question(text string, stream bool) string {
	options := ""
	if stream {
		options = `"stream_options":{"include_usage":true},`
	}
	return fmt.Sprintf(`{"model":"m","stream":%v,"user":"u",`+options+`"messages":[{"role":"system","content":"sys"},
		{"role":"user","content":"一"},{"role":"assistant","content":"1"},{"role":"user","content":"二"},{"role":"assistant","content":"2"},
		{"role":"user","content":%q}]}`, stream, text)
}

type chunk struct {
	Choices []struct {
		Delta        struct{ Content string }
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	}
}

// parse reads a stream's chunks; "[DONE]" and errors stand in marks.
func parse(t *testing.T, body string) (text, finish string, usage [2]int, marks []string) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(body)); s.Scan(); {
		data, ok := strings.CutPrefix(s.Text(), "data: ")
		switch {
		case !ok:
			continue
		case data == "[DONE]", strings.HasPrefix(data, `{"error"`):
			marks = append(marks, data)
			continue
		}
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		for _, x := range c.Choices {
			text += x.Delta.Content
			finish += x.FinishReason
		}
		if c.Usage != nil {
			usage = [2]int{c.Usage.Prompt, c.Usage.Completion}
		}
	}
	return text, finish, usage, marks
}

func TestStream(t *testing.T) {
	for _, h2c := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2c=%v", h2c), func(t *testing.T) {
			s, url := start(t, Options{Keys: []string{"k1", "k2"}})
			resp, body := do(t, client(t, h2c), "POST", url+"/v1/chat/completions", "k2", question("三 \"引号\"\n", true))
			text, finish, usage, marks := parse(t, body)
			want := Answer(2, "三 \"引号\"\n")
			if text != want || finish != "stop" || !cmp.Equal(marks, []string{"[DONE]"}) || resp.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("text %q, finish %q, marks %q; want %q", text, finish, marks, want)
			}
			if want := [2]int{14, len([]rune(want))}; usage != want {
				t.Errorf("usage %v, want %v", usage, want)
			}
			if (resp.ProtoMajor == 2) != h2c {
				t.Errorf("spoke %s", resp.Proto)
			}
			entry := Entry{ID: 1, Key: chat.NewSecret("k2").Fingerprint(), Model: "m", User: "u", Stream: true, Messages: 6, Earlier: 2, System: "sys",
				Last: "三 \"引号\"\n", Outcome: Finished, InputTokens: 14, OutputTokens: usage[1],
				Usage: &Usage{Input: 14, Output: usage[1]}}
			if diff := cmp.Diff([]Entry{entry}, s.Ledger(), cmpopts.IgnoreTypes(time.Time{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhole(t *testing.T) {
	_, url := start(t, Options{})
	_, body := do(t, client(t, false), "POST", url+"/chat/completions", "", question("三", false))
	var got struct {
		Choices []struct {
			Message      struct{ Role, Content string }
			FinishReason string `json:"finish_reason"`
		}
		Usage struct {
			Total int `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := Answer(2, "三")
	if c := got.Choices[0]; c.Message.Content != want || c.FinishReason != "stop" || got.Usage.Total != 8+len([]rune(want)) {
		t.Errorf("got %+v", got)
	}
}

func TestOwnAnswer(t *testing.T) {
	_, url := start(t, Options{Answer: func(messages []Message) string {
		return fmt.Sprintf("%d %s", len(messages), messages[1].Content)
	}})
	_, body := do(t, client(t, false), "POST", url+"/v1/chat/completions", "", question("三", true))
	if text, _, _, _ := parse(t, body); text != "6 一" {
		t.Errorf("got %q", text)
	}
}

func TestPieces(t *testing.T) {
	for _, test := range []struct {
		text   string
		chunks int
		want   []string
	}{
		{"一二三四五六七", 0, []string{"一二三", "四五六", "七"}},
		{"一二三四五六七", 3, []string{"一二三", "四五六", "七"}},
		{"一二三四五六七", 2, []string{"一二三四", "五六七"}},
		{"一二三四", 4, []string{"一二三", "四", filler, filler}},
		{"一", 1, []string{"一"}},
	} {
		got := pieces(test.text, test.chunks)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s in %d: %s", test.text, test.chunks, diff)
		}
		if s := Strip(strings.Join(got, "")); s != test.text {
			t.Errorf("stripped %q", s)
		}
	}
}

func TestRefused(t *testing.T) {
	s, url := start(t, Options{Keys: []string{"k"}})
	c := client(t, false)
	for _, test := range []struct {
		method, path, key, body string
		status                  int
		code                    string
	}{
		{"POST", "/v1/chat/completions", "", question("q", true), 401, "invalid_api_key"},
		{"POST", "/v1/chat/completions", "wrong", question("q", true), 401, "invalid_api_key"},
		{"POST", "/v1/chat/completions", "k", "{", 400, "malformed"},
		{"POST", "/v1/chat/completions", "k", `{"model":"m","messages":[]}`, 400, "malformed"},
		{"POST", "/v1/chat/completions", "k", `{"messages":[{"role":"user","content":"q"}]}`, 400, "malformed"},
		{"POST", "/v1/embeddings", "k", "{}", 404, "unknown_url"},
		{"GET", "/v1/models", "k", "", 200, `"object":"list"`},
	} {
		resp, body := do(t, c, test.method, url+test.path, test.key, test.body)
		if resp.StatusCode != test.status || !strings.Contains(body, test.code) {
			t.Errorf("%s %s %.20s: %d %s", test.method, test.path, test.body, resp.StatusCode, body)
		}
	}
	if got := s.Stats(); got.Running != 0 || got.Ended != 5 {
		t.Errorf("stats %+v", got)
	}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		fault  Fault
		status int
		text   string // the answer is 第3问「三」收到。 in pieces of three
		finish string
		has    string
		mark   string
	}{
		{Fault{Kind: FaultStatus, Status: 429, Code: "rate_limit_exceeded", RetryAfter: 7}, 429, "", "", `"code":"rate_limit_exceeded"`, ""},
		{Fault{Kind: FaultStatus}, 500, "", "", `"error"`, ""},
		{Fault{Kind: FaultStatus, Status: 502, Body: "<html>"}, 502, "", "", "<html>", ""},
		{Fault{Kind: FaultBody, Body: `{"error_code":18}`}, 200, "", "", `{"error_code":18}`, ""},
		{Fault{Kind: FaultBody, Code: "x"}, 200, "", "", `"code":"x"`, ""},
		{Fault{Kind: FaultCut, After: 1}, 200, "", "", "broken", ""},
		{Fault{Kind: FaultTruncate, After: 1}, 200, "第3问", "", "", ""},
		{Fault{Kind: FaultTruncate, After: 99}, 200, Answer(2, "三"), "", "", ""},
		{Fault{Kind: FaultDone, After: 2}, 200, "第3问「三」", "", "", "[DONE]"},
		{Fault{Kind: FaultInline, Code: "boom", After: 1}, 200, "第3问", "", ": ping", `{"error":{"message":"simulated","type":"simulated_error","param":null,"code":"boom"}}`},
		{Fault{Kind: FaultFinish, Code: "sensitive"}, 200, Answer(2, "三"), "sensitive", "", "[DONE]"},
		{Fault{Kind: FaultEmpty}, 200, "", "stop", "", "[DONE]"},
	} {
		t.Run(fmt.Sprintf("%s %d", test.fault.Kind, test.fault.After), func(t *testing.T) {
			s, url := start(t, Options{Rules: []Rule{{Fault: test.fault}}})
			resp, body := do(t, client(t, false), "POST", url+"/v1/chat/completions", "", question("三", true))
			if resp.StatusCode != test.status || !strings.Contains(body, test.has) {
				t.Errorf("%d: %q lacks %q", resp.StatusCode, body, test.has)
			}
			if test.fault.RetryAfter > 0 && resp.Header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			text, finish, _, marks := parse(t, body)
			if text != test.text || finish != test.finish || strings.Join(marks, "") != test.mark {
				t.Errorf("text %q, finish %q, marks %q", text, finish, marks)
			}
			e := s.Ledger()[0]
			if want := map[bool]Outcome{true: Finished, false: Faulted}[test.fault.Kind == FaultEmpty]; e.Outcome != want || e.Fault != test.fault.Kind {
				t.Errorf("ledger: %s by %s", e.Outcome, e.Fault)
			}
		})
	}
}

func TestHangs(t *testing.T) {
	for _, f := range []Fault{{Kind: FaultHang}, {Kind: FaultStall, After: 1}} {
		for _, h2c := range []bool{false, true} {
			t.Run(fmt.Sprint(f.Kind, h2c), func(t *testing.T) {
				s, url := start(t, Options{Rules: []Rule{{Fault: f}}})
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(question("三", true)))
				resp, err := client(t, h2c).Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				for s.Stats().Running > 0 {
					time.Sleep(time.Millisecond) // the handler notices that the caller left
				}
			})
		}
	}
}

func TestRules(t *testing.T) {
	var r rules
	hit := func(kind FaultKind) Fault { return Fault{Kind: kind} }
	r.set([]Rule{
		{Contains: "once", Times: 1, Fault: hit("a")},
		{Model: "other", Fault: hit("b")},
		{Key: "f1", Every: 3, Fault: hit("c")},
		{Contains: "once", Fault: hit("d")},
	})
	for i, test := range []struct {
		model, last, key string
		want             FaultKind
	}{
		{"m", "hello", "", ""}, {"m", "once upon", "", "a"}, {"m", "once", "", "d"}, {"other", "x", "", "b"},
		{"m", "x", "f1", ""}, {"m", "x", "f1", ""}, {"m", "x", "f1", "c"}, {"m", "x", "f1", ""},
	} {
		if got := r.strike(test.model, test.last, test.key).Kind; got != test.want {
			t.Errorf("%d: %q, want %q", i, got, test.want)
		}
	}
}

func TestControls(t *testing.T) {
	s, url := start(t, Options{})
	c := client(t, false)
	ask := func() (*http.Response, string) {
		return do(t, c, "POST", url+"/v1/chat/completions", "", question("三", true))
	}
	if resp, _ := do(t, c, "PUT", url+"/_sim/rules", "", `[{"times":1,"fault":{"kind":"status","status":429,"retry_after":2}}]`); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	if resp, _ := ask(); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "2" {
		t.Errorf("the rule does not hold: %s", resp.Status)
	}
	if resp, _ := do(t, c, "PUT", url+"/_sim/pace", "", `{"chunks":20}`); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	_, body := ask()
	if text, _, _, _ := parse(t, body); Strip(text) != Answer(2, "三") || !strings.HasSuffix(text, filler) {
		t.Errorf("got %q", text)
	}
	if resp, _ := do(t, c, "PUT", url+"/_sim/rules", "", `{`); resp.StatusCode != 400 {
		t.Errorf("bad rules: %s", resp.Status)
	}
	_, body = do(t, c, "GET", url+"/_sim/ledger", "", "")
	var entries []Entry
	if err := json.Unmarshal([]byte(body), &entries); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Ledger(), entries); diff != "" || len(entries) != 2 {
		t.Error(diff)
	}
	_, body = do(t, c, "GET", url+"/_sim/stats", "", "")
	if strings.TrimSpace(body) != `{"running":0,"most":1,"ended":2}` {
		t.Errorf("stats %s", body)
	}
	do(t, c, "DELETE", url+"/_sim/ledger", "", "")
	if len(s.Ledger()) != 0 {
		t.Error("the ledger is not empty")
	}
}

func TestManyStreams(t *testing.T) {
	s, url := start(t, Options{Pace: Pace{First: 100 * time.Millisecond, Between: time.Millisecond}})
	c := client(t, true)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			q := fmt.Sprintf("问题%d", i)
			_, body := do(t, c, "POST", url+"/v1/chat/completions", "", question(q, true))
			if text, finish, _, _ := parse(t, body); text != Answer(2, q) || finish != "stop" {
				t.Errorf("%s: got %q, %q", q, text, finish)
			}
		})
	}
	wg.Wait()
	if got := s.Stats(); got.Ended != 300 || got.Running != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestRun(t *testing.T) {
	if err := New(Options{}).Run(t.Context(), "256.0.0.1:1"); err == nil {
		t.Error("ran on an address that does not exist")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(Options{}).Run(ctx, "127.0.0.1:0"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSpreadMakesAnswersTakeLonger(t *testing.T) {
	p := Pace{First: time.Second, Between: time.Second, Chunks: 4, Spread: 8 * time.Second}
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		d := p.drawn()
		whole := d.First + 3*d.Between
		least, most = min(least, whole), max(most, whole)
	}
	if least < 4*time.Second || least > 5*time.Second || most < 11*time.Second || most > 12*time.Second {
		t.Errorf("answers take %s to %s, want 4s to 12s", least, most)
	}
	if still := (Pace{First: time.Second, Chunks: 4}); still.drawn() != still {
		t.Errorf("without a spread: %+v", still.drawn())
	}
}

package openai

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// body is a request with one message and further fields.
func body(fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return `{"model":"chat","messages":[{"role":"user","content":"q"}]` + fields + `}`
}

func readBody(text string) (wish, *failure) {
	r, f := parse([]byte(text))
	if f != nil {
		return wish{}, f
	}
	return r.read()
}

func TestRead(t *testing.T) {
	plain := chat.Request{Model: "chat", Question: "q", History: []chat.Turn{}}
	with := func(change func(*wish)) wish {
		w := wish{Request: plain}
		change(&w)
		return w
	}
	for name, tt := range map[string]struct {
		fields string
		want   wish
	}{
		"least":                 {"", with(func(*wish) {})},
		"nulls":                 {`"temperature":null,"stop":null,"tools":null,"n":null,"stream":null,"stream_options":null,"response_format":null,"logit_bias":null,"user":null,"max_tokens":null`, with(func(*wish) {})},
		"no change":             {`"n":1,"logprobs":false,"tools":[],"tool_choice":"none","function_call":"auto","modalities":["text"],"response_format":{"type":"text"},"logit_bias":{}`, with(func(*wish) {})},
		"streaming":             {`"stream":true`, with(func(w *wish) { w.stream, w.Deltas = true, true })},
		"usage":                 {`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":true}`, with(func(w *wish) { w.stream, w.Deltas, w.usage = true, true, true })},
		"max_tokens":            {`"max_tokens":5`, with(func(w *wish) { w.MaxOutput = 5 })},
		"max_completion_tokens": {`"max_completion_tokens":6`, with(func(w *wish) { w.MaxOutput = 6 })},
		"sampling": {`"temperature":0,"top_p":0.5,"presence_penalty":-2,"frequency_penalty":2,"seed":-9,"stop":["a","b"],"response_format":{"type":"json_object"}`, with(func(w *wish) {
			w.Sampling = &chat.Sampling{Temperature: new(0.0), TopP: new(0.5), Presence: new(-2.0), Frequency: new(2.0), Seed: new(int64(-9)), Stop: []string{"a", "b"}, JSON: true}
		})},
		"one stop": {`"stop":"\n"`, with(func(w *wish) { w.Sampling = &chat.Sampling{Stop: []string{"\n"}} })},
		"hints": {`"user":"u","metadata":{"a":"b"},"store":true,"service_tier":"auto","reasoning_effort":"low","parallel_tool_calls":false`, with(func(w *wish) {
			w.ignored = []string{"user", "metadata", "store", "service_tier", "reasoning_effort"}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			got, f := readBody(body(tt.fields))
			if f != nil {
				t.Fatal(f)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(wish{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusedRequests(t *testing.T) {
	for fields, want := range map[string]struct{ param, code, says string }{
		`"temperature":2.1`:                        {"temperature", "", "from 0 to 2"},
		`"temperature":-0.1`:                       {"temperature", "", "from 0 to 2"},
		`"temperature":"hot"`:                      {"temperature", "invalid_type", "a JSON string"},
		`"top_p":1.5`:                              {"top_p", "", "from 0 to 1"},
		`"presence_penalty":3`:                     {"presence_penalty", "", "from -2 to 2"},
		`"frequency_penalty":-3`:                   {"frequency_penalty", "", "from -2 to 2"},
		`"seed":1.5`:                               {"seed", "invalid_type", "a JSON number"},
		`"stop":""`:                                {"stop", "", "not empty"},
		`"stop":["a","b","c","d","e"]`:             {"stop", "", "4 of them"},
		`"stop":[1]`:                               {"stop", "", "expected a string"},
		`"stop":{}`:                                {"stop", "", "expected a string"},
		`"max_tokens":0`:                           {"max_tokens", "", "from 1"},
		`"max_completion_tokens":-1`:               {"max_completion_tokens", "", "from 1"},
		`"max_tokens":99999999999`:                 {"max_tokens", "", "from 1"},
		`"max_tokens":1,"max_completion_tokens":1`: {"max_tokens", "", "only one"},
		`"response_format":{"type":"json_schema","json_schema":{"name":"a"}}`: {"response_format", "", "json_object"},
		`"n":2`:                                    {"n", "unsupported_parameter", "'n'"},
		`"n":0`:                                    {"n", "unsupported_parameter", "'n'"},
		`"logprobs":true`:                          {"logprobs", "unsupported_parameter", "'logprobs'"},
		`"top_logprobs":3`:                         {"top_logprobs", "unsupported_parameter", "'top_logprobs'"},
		`"logit_bias":{"50256":-100}`:              {"logit_bias", "unsupported_parameter", "'logit_bias'"},
		`"tools":[{"type":"function"}]`:            {"tools", "unsupported_parameter", "'tools'"},
		`"tool_choice":"required"`:                 {"tool_choice", "unsupported_parameter", "'tool_choice'"},
		`"functions":[{"name":"f"}]`:               {"functions", "unsupported_parameter", "'functions'"},
		`"function_call":{"name":"f"}`:             {"function_call", "unsupported_parameter", "'function_call'"},
		`"modalities":["text","audio"]`:            {"modalities", "unsupported_parameter", "'modalities'"},
		`"audio":{"voice":"x"}`:                    {"audio", "unsupported_parameter", "'audio'"},
		`"web_search_options":{"user_location":1}`: {"web_search_options", "unsupported_parameter", "'web_search_options'"},
		`"stream_options":{"include_usage":true}`:  {"stream_options", "", "when 'stream' is enabled"},
		`"top_k":40`:                               {"top_k", "unknown_parameter", "Unknown parameter"},
		`"stream":"yes"`:                           {"stream", "invalid_type", "a JSON string"},
	} {
		t.Run(fields, func(t *testing.T) { refuses(t, body(fields), want.param, want.code, want.says) })
	}
}

// refuses checks what a faulty body is answered with.
func refuses(t *testing.T, text, param, code, says string) {
	t.Helper()
	_, f := readBody(text)
	if f == nil {
		t.Fatalf("taken: %s", text)
	}
	if diff := cmp.Diff([]any{400, typeInvalid, param, code}, []any{f.status, f.typ, f.param, f.code}); diff != "" || !strings.Contains(f.message, says) {
		t.Errorf("%s says %q, want %q", diff, f.message, says)
	}
}

func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut": `{"model":"chat"`, "a list": `[]`, "null": `null`, "two": body("") + body(""), "trailing": body("") + "x",
		"form": "model=chat", "not UTF-8": "{\"model\":\"\xff", "deep": strings.Repeat(`{"model":`, 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			if _, f := readBody(text); f == nil || f.status != 400 || f.message == "" {
				t.Errorf("got %+v", f)
			}
		})
	}
	refuses(t, `{"messages":[{"role":"user","content":"q"}]}`, "model", "", "GET /v1/models")
	refuses(t, `{"model":"chat"}`, "messages", "", "at least one")
	refuses(t, `{"model":"chat","messages":"hello"}`, "messages", "invalid_type", "a JSON string")
}

// FuzzRead: whatever is posted is refused, or is a request that a server can be asked.
func FuzzRead(f *testing.F) {
	f.Add([]byte(body("")))
	f.Add([]byte(body(`"stop":["a"],"stream":true,"stream_options":{"include_usage":true},"temperature":1e308`)))
	f.Add([]byte(`{"model":"chat","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},{"role":"assistant","content":null,"refusal":"no"},{"role":"user","content":"b"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, fail := readBody(string(body))
		if fail != nil {
			if fail.status != 400 || fail.message == "" || !json.Valid(fail.body(nil)) {
				t.Errorf("%q is refused as %+v", body, fail)
			}
			return
		}
		if w.Model == "" || w.Question == "" && len(w.Images) == 0 || len(w.Images) > chat.MaxImages || w.MaxOutput < 0 {
			t.Errorf("%q became %+v", body, w)
		}
		for i, turn := range w.History {
			if turn.Question == "" || turn.Answer == "" {
				t.Errorf("turn %d of %q lacks a half, which no server sends: %+v", i, body, turn)
			}
		}
		if s := w.Sampling; s != nil && (s.Temperature != nil && (*s.Temperature < 0 || *s.Temperature > 2) || len(s.Stop) > maxStops) {
			t.Errorf("sampling %+v", s)
		}
	})
}

// BenchmarkParse reads a dialog of 20 turns with answers of 600 characters.
func BenchmarkParse(b *testing.B) {
	var messages []string
	for i := range 20 {
		messages = append(messages, fmt.Sprintf(`{"role":"user","content":"问题 %d：这是怎么回事？"},{"role":"assistant","content":%q}`, i, strings.Repeat("这是回答。", 120)))
	}
	messages = append(messages, `{"role":"user","content":"还有呢？"}`)
	text := []byte(`{"model":"chat","stream":true,"messages":[` + strings.Join(messages, ",") + `]}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r, f := parse(text)
		if f == nil {
			_, f = r.read()
		}
		if f != nil {
			b.Fatal(f)
		}
	}
}

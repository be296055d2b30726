package llm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

func TestVendorNames(t *testing.T) {
	for _, v := range Vendors() {
		if got, err := ParseVendor(string(v)); got != v || err != nil {
			t.Errorf("%s: %v", v, err)
		}
		if len(v.Codes()) == 0 || !strings.HasPrefix(v.Path(), "/") {
			t.Errorf("%s has no codes or no path", v)
		}
	}
	if _, err := ParseVendor("bing"); err == nil || !strings.Contains(err.Error(), "chatglm") {
		t.Errorf("got %v", err)
	}
	// People see who speaks.
	if o, g, e := OpenAI.Answer(0, "问"), ChatGLM.Answer(0, "问"), ERNIE.Answer(0, "问"); o == g || g == e || o != Answer(0, "问") || !strings.Contains(g, o) || !strings.Contains(e, o) {
		t.Errorf("%s %s %s", o, g, e)
	}
}

// vendors are requests of each vendor's form with a key that it takes.
var vendors = map[Vendor]struct{ key, model string }{
	OpenAI: {"sk-1", "gpt-4o"}, Azure: {"0a1b", "gpt-4o"}, ChatGLM: {"id.secret", "glm-4.6"}, ERNIE: {"bce-v3/ALTAK-a/b", "ernie-4.5-turbo-128k"},
}

// ask sends a body that lacks its model; fields come after it.
func ask(t *testing.T, v Vendor, url, fields string) (*http.Response, string) {
	t.Helper()
	x := vendors[v]
	return do(t, client(t, false), "POST", url+v.Path()+"/chat/completions", x.key, fmt.Sprintf(`{"model":%q,%s}`, x.model, fields))
}

const hello = `"messages":[{"role":"user","content":"你好"}]`

// What the vendors refuse: status and code, and the code in the vendor's own envelope.
func TestStrict(t *testing.T) {
	for _, test := range []struct {
		v      Vendor
		fields string
		status int
		code   string
	}{
		{OpenAI, hello, 200, ""},
		{OpenAI, hello + `,"temperature":2,"n":1,"user":"u","stop":["a","b"]`, 200, ""},
		{OpenAI, hello + `,"temperature":2.1`, 400, "decimal_above_max_value"},
		{OpenAI, hello + `,"thinking":{"type":"disabled"}`, 400, "unknown_parameter"},
		{OpenAI, hello + `,"stream_options":{"include_usage":true}`, 400, "invalid_value"},
		{OpenAI, hello + `,"model":"gpt-5","max_tokens":5`, 400, "unsupported_parameter"},
		{OpenAI, hello + `,"max_tokens":5,"max_completion_tokens":5`, 400, "invalid_parameter_combination"},
		{OpenAI, `"messages":[]`, 400, "malformed"},

		{Azure, hello, 200, ""},
		{Azure, hello + `,"request_id":"r"`, 400, "unknown_parameter"},

		{ChatGLM, hello, 200, ""},
		{ChatGLM, hello + `,"temperature":1,"top_p":1,"max_tokens":131072,"stop":["a"],"user_id":"u","thinking":{"type":"enabled"}`, 200, ""},
		{ChatGLM, hello + `,"stream":true,"stream_options":{"include_usage":true}`, 400, "1210"},
		{ChatGLM, hello + `,"frequency_penalty":0.1`, 400, "1210"},
		{ChatGLM, hello + `,"presence_penalty":0.1`, 400, "1210"},
		{ChatGLM, hello + `,"n":1`, 400, "1210"},
		{ChatGLM, hello + `,"user":"u"`, 400, "1210"},
		{ChatGLM, hello + `,"max_completion_tokens":5`, 400, "1210"},
		{ChatGLM, hello + `,"max_tokens":131073`, 400, "1210"},
		{ChatGLM, hello + `,"model":"glm-4-flash","max_tokens":4096`, 400, "1210"},
		{ChatGLM, hello + `,"temperature":1.1`, 400, "1214"},
		{ChatGLM, hello + `,"top_p":0`, 400, "1214"},
		{ChatGLM, hello + `,"stop":["a","b"]`, 400, "1214"},
		{ChatGLM, hello + `,"thinking":{"type":"off"}`, 400, "1214"},
		{ChatGLM, `"messages":[{"role":"system","content":"s"}]`, 400, "1214"},
		{ChatGLM, `"messages":[{"role":"system","content":"s"},{"role":"assistant","content":"a"}]`, 400, "1214"},
		{ChatGLM, `"messages":[{"role":"user","name":"zhang","content":"a"}]`, 400, "1214"},
		{ChatGLM, `"messages":[{"role":"user","content":""}]`, 400, "1214"},
		{ChatGLM, hello + `,"model":"gpt-4o"`, 400, "1211"},
		{ChatGLM, `"messages":`, 400, "1210"},

		{ERNIE, hello, 200, ""},
		{ERNIE, hello + `,"stream":true,"stream_options":{"include_usage":true},"user":"u","max_tokens":12288`, 200, ""},
		{ERNIE, hello + `,"thinking":{"type":"disabled"}`, 400, "invalid_argument"},
		{ERNIE, hello + `,"max_tokens":12289`, 400, "invalid_argument"},
		{ERNIE, hello + `,"temperature":1.1`, 400, "invalid_argument"},
		{ERNIE, hello + `,"model":"ERNIE-4.5-turbo-128k"`, 401, "invalid_model"},
		{ERNIE, hello + `,"model":"gpt-4o"`, 401, "invalid_model"},
		{ERNIE, `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]`, 400, "invalid_messages"},
		{ERNIE, `"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"},{"role":"user","content":"c"}]`, 400, "invalid_messages"},
		{ERNIE, `"messages":[{"role":"user","content":" "}]`, 400, "invalid_messages"},
		{ERNIE, `x`, 400, "malformed_json"},
	} {
		t.Run(fmt.Sprintf("%s %s", test.v, test.fields), func(t *testing.T) {
			s, url := start(t, Options{Vendor: test.v})
			resp, body := ask(t, test.v, url, test.fields)
			var e struct {
				Error struct{ Code string }
			}
			_ = json.Unmarshal([]byte(body), &e)
			if resp.StatusCode != test.status || e.Error.Code != test.code {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if l := s.Ledger(); len(l) != 1 || l[0].Code != test.code || (test.code != "") != (l[0].Outcome == Refused) {
				t.Errorf("the ledger says %+v", l)
			}
		})
	}
}

// Errors in each vendor's envelope, byte for byte but for the id.
func TestEnvelopes(t *testing.T) {
	for _, test := range []struct {
		v          Vendor
		code       string
		status     int
		begin, end string
	}{
		{OpenAI, "rate_limit_exceeded", 429, `{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, ""},
		{Azure, "content_filter", 400, `{"error":{"message":"The response was filtered`, `"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}`},
		{ChatGLM, "1302", 429, `{"error":{"code":"1302","message":"您当前使用该API的并发数过高，请降低并发，或联系客服增加限额。"},"request_id":"2026`, `"}`},
		{ChatGLM, "1301", 400, `{"contentFilter":[{"level":1,"role":"user"}],"error":{"code":"1301","message":"系统检测到`, `"}`},
		{ERNIE, "tpm_rate_limit_exceeded", 429, `{"error":{"code":"tpm_rate_limit_exceeded","message":"Rate limit reached for TPM","type":"rate_limit_exceeded"},"id":"as-`, `"}`},
	} {
		_, url := start(t, Options{Vendor: test.v, Rules: []Rule{{Fault: Fault{Kind: FaultStatus, Code: test.code}}}})
		resp, body := ask(t, test.v, url, hello)
		if resp.StatusCode != test.status || !strings.HasPrefix(body, test.begin) || !strings.HasSuffix(body, test.end) || !json.Valid([]byte(body)) {
			t.Errorf("%s %s: %d %s", test.v, test.code, resp.StatusCode, body)
		}
	}
}

func TestChunks(t *testing.T) {
	for v, want := range map[Vendor][]string{
		OpenAI:  {`"object":"chat.completion.chunk"`, `"delta":{"role":"assistant","content":"第1问"},"finish_reason":null}],"usage":null}`, `"delta":{},"finish_reason":"stop"}],"usage":null}`, `"choices":[],"usage":{"prompt_tokens":2,`},
		Azure:   {`"prompt_filter_results":[`, `"finish_reason":"stop"`, `"choices":[],"usage":{"prompt_tokens":2,`},
		ChatGLM: {`"id":"2026`, `"reasoning_content":"问题是"`, `"choices":[{"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":2,`, `"reasoning_tokens":8}`},
		ERNIE:   {`"id":"as-`, `"flag":0`, `"finish_reason":"stop"`, `"choices":[],"usage":{"prompt_tokens":2,`},
	} {
		options := `,"stream_options":{"include_usage":true}`
		if v == ChatGLM {
			options = "" // usage comes without asking
		}
		_, url := start(t, Options{Vendor: v})
		_, body := ask(t, v, url, hello+`,"stream":true`+options)
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: no %s in\n%s", v, w, body)
			}
		}
		if text, finish, _, marks := parse(t, body); text != v.Answer(0, "你好") || finish != "stop" || len(marks) != 1 {
			t.Errorf("%s: %q %q %q", v, text, finish, marks)
		}
		if v == ChatGLM {
			continue
		}
		if _, body := ask(t, v, url, hello+`,"stream":true`); strings.Contains(body, "prompt_tokens") {
			t.Errorf("%s tells the usage without being asked", v)
		}
	}
}

// token makes a JWT; the fields of its parts are as given.
func token(head, payload, secret string) string {
	c := base64.RawURLEncoding
	signed := c.EncodeToString([]byte(head)) + "." + c.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + c.EncodeToString(mac.Sum(nil))
}

func TestJWT(t *testing.T) {
	const head = `{"alg":"HS256","sign_type":"SIGN"}`
	now := time.Now()
	claims := func(id string, made, ends time.Time, unit int64) string {
		return fmt.Sprintf(`{"api_key":%q,"exp":%d,"timestamp":%d}`, id, ends.UnixMilli()/unit, made.UnixMilli()/unit)
	}
	good := claims("id", now, now.Add(time.Minute), 1)
	for name, test := range map[string]struct{ token, code string }{
		"right":            {token(head, good, "secret"), ""},
		"the key itself":   {"id.secret", ""},
		"seconds":          {token(head, claims("id", now, now.Add(time.Minute), 1000), "secret"), "1003"},
		"over":             {token(head, claims("id", now.Add(-time.Hour), now.Add(-time.Minute), 1), "secret"), "1003"},
		"from the future":  {token(head, claims("id", now.Add(time.Hour), now.Add(2*time.Hour), 1), "secret"), "1003"},
		"another's secret": {token(head, good, "other"), "1004"},
		"unknown id":       {token(head, claims("nobody", now, now.Add(time.Minute), 1), "secret"), "1004"},
		"part of an id":    {token(head, claims("i", now, now.Add(time.Minute), 1), "secret"), "1004"},
		"no sign_type":     {token(`{"alg":"HS256"}`, good, "secret"), "1002"},
		"alg none":         {token(`{"alg":"none","sign_type":"SIGN"}`, good, "secret"), "1002"},
		"no JSON":          {token("{", good, "secret"), "1002"},
		"three words":      {"a.b.c", "1002"},
		"another key":      {"id.wrong", "1000"},
		"no key":           {"", "1001"},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := start(t, Options{Vendor: ChatGLM, Keys: []string{"id.secret", "id2.secret2"}})
			resp, body := do(t, client(t, false), "POST", url+"/api/paas/v4/chat/completions", test.token, `{"model":"glm-4.6",`+hello+`}`)
			if test.code == "" {
				if resp.StatusCode != 200 || s.Ledger()[0].Key != chat.NewSecret("id.secret").Fingerprint() {
					t.Errorf("%d %s %+v", resp.StatusCode, body, s.Ledger())
				}
				return
			}
			if resp.StatusCode != 401 || !strings.Contains(body, `"code":"`+test.code+`"`) {
				t.Errorf("%d %s, want %s", resp.StatusCode, body, test.code)
			}
		})
	}
}

// Whom each vendor takes a key from, and where.
func TestKeysAndPaths(t *testing.T) {
	for _, test := range []struct {
		v      Vendor
		method string
		path   string
		header string // name: value
		status int
		has    string
	}{
		{Azure, "POST", "/openai/v1/chat/completions", "Api-Key: k", 200, "chat.completion"},
		{Azure, "POST", "/openai/v1/chat/completions", "Authorization: Bearer k", 200, "chat.completion"},
		{Azure, "POST", "/openai/deployments/d/chat/completions?api-version=2024-10-21", "Api-Key: k", 200, "chat.completion"},
		{Azure, "POST", "/openai/deployments/d/chat/completions?api-version=2024-10-21", "Authorization: Bearer k", 401, `"401"`},
		{Azure, "POST", "/openai/deployments/d/chat/completions", "Api-Key: k", 404, `"404"`},
		{Azure, "POST", "/openai/v1/chat/completions", "X: y", 401, `"401"`},
		{Azure, "POST", "/v1/chat/completions", "Api-Key: k", 404, `"404"`},
		{ERNIE, "POST", "/v2/chat/completions", "Authorization: Bearer k", 401, "invalid_iam_token"},
		{ERNIE, "POST", "/v2/chat/completions", "Authorization: bce-v3/ALTAK-a/b", 401, "invalid_iam_token"},
		{ERNIE, "POST", "/v2/chat/completions", "Authorization: Bearer bce-v3/ALTAK-x/y", 401, "invalid_iam_token"},
		{ERNIE, "GET", "/v2/chat/completions", "Authorization: Bearer bce-v3/ALTAK-a/b", 405, "method_not_supported"},
		{ERNIE, "GET", "/v2/models", "Authorization: Bearer bce-v3/ALTAK-a/b", 200, `"list"`},
		{ERNIE, "POST", "/v1/chat/completions", "Authorization: Bearer bce-v3/ALTAK-a/b", 404, "invalid_url"},
		{ChatGLM, "GET", "/api/paas/v4/models", "Authorization: Bearer id.secret", 200, `"list"`},
		{ChatGLM, "POST", "/v1/chat/completions", "Authorization: Bearer id.secret", 404, `"1222"`},
		{ChatGLM, "POST", "/api/paas/v4/chat/completions", "Authorization: id.secret", 401, `"1001"`},
	} {
		t.Run(fmt.Sprintf("%s %s %s %s", test.v, test.method, test.path, test.header), func(t *testing.T) {
			_, url := start(t, Options{Vendor: test.v, Keys: []string{"k", "bce-v3/ALTAK-a/b", "id.secret"}})
			req, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader(`{"model":"ernie-5",`+hello+`}`))
			if err != nil {
				t.Fatal(err)
			}
			name, value, _ := strings.Cut(test.header, ": ")
			req.Header.Set(name, value)
			resp, body := send(t, client(t, false), req)
			if resp.StatusCode != test.status || !strings.Contains(body, test.has) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
}

func TestAppID(t *testing.T) {
	s, url := start(t, Options{Vendor: ERNIE})
	for app, status := range map[string]int{"": 200, "app-x": 200, "x": 401} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v2/chat/completions", strings.NewReader(`{"model":"ernie-5",`+hello+`}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer bce-v3/ALTAK-a/b")
		req.Header.Set("appid", app)
		if resp, body := send(t, client(t, false), req); resp.StatusCode != status {
			t.Errorf("%q: %d %s", app, resp.StatusCode, body)
		}
		if l := s.Ledger(); status == 200 && l[len(l)-1].AppID != app {
			t.Errorf("%+v", l[len(l)-1])
		}
	}
}

package llm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// chatglmFields are what Zhipu documents for chat completions. Its own clients take the others out before they call.
var chatglmFields = []string{
	"model", "messages", "stream", "thinking", "do_sample", "temperature", "top_p", "max_tokens", "stop", "tools", "tool_choice",
	"tool_stream", "response_format", "user_id", "request_id",
}

func chatglmSpec() *spec {
	return &spec{
		base: "/api/paas/v4", who: "（智谱 GLM）",
		takes: func(path string) bool { return path == "/api/paas/v4/chat/completions" },
		key:   chatglmKey, check: checkChatGLM, refusals: chatglmRefusals(),
		does: does{path: "1222", malformed: "1210", model: "1211", large: "1261", busy: "1302", requests: "1303", tokens: "1303", failure: "500",
			overload: "1305", arrears: "1113"},
		body: func(r refusal, id string) string {
			filter := ""
			if r.code == "1301" {
				filter = `"contentFilter":[{"level":1,"role":"user"}],`
			}
			return fmt.Sprintf(`{%s"error":{"code":%q,"message":%s},"request_id":%q}`, filter, r.code, quote(r.message), id)
		},
		id:    func(n int) string { return fmt.Sprintf("20261122%016x", n) },
		chunk: chatglmChunk, whole: chatglmWhole, usageAlways: true,
		thinks: func(q *request) bool { return thinksByDefault(q.Model) && q.Thinking.Type != "disabled" },
	}
}

// thinksByDefault: from GLM 4.5, unless told otherwise.
func thinksByDefault(model string) bool {
	return slices.ContainsFunc([]string{"glm-4.5", "glm-4.6", "glm-4.7", "glm-5"}, func(p string) bool { return strings.HasPrefix(model, p) })
}

// chatglmKey takes a key as it is, or a JWT that was signed with one.
func chatglmKey(known map[string]bool, r *http.Request) (key, code string) {
	token, ok := bearer(r)
	switch {
	case !ok:
		return "", "1001"
	case strings.Count(token, ".") == 2 && !known[token]:
		return openJWT(known, token, time.Now())
	case len(known) > 0 && !known[token] || strings.Count(token, ".") != 1:
		return token, "1000"
	}
	return token, ""
}

// openJWT verifies a token of Zhipu's: HS256 over the secret half of a known key, times in milliseconds.
func openJWT(known map[string]bool, token string, now time.Time) (key, code string) {
	parts := strings.Split(token, ".")
	var head struct {
		Alg  string `json:"alg"`
		Sign string `json:"sign_type"`
	}
	var payload struct {
		Key  string `json:"api_key"`
		Ends int64  `json:"exp"`
		Made int64  `json:"timestamp"`
	}
	for i, into := range []any{&head, &payload} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return "", "1002"
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || head.Alg != "HS256" || head.Sign != "SIGN" || payload.Key == "" {
		return "", "1002"
	}
	for k := range known {
		secret, ok := strings.CutPrefix(k, payload.Key+".")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(parts[0] + "." + parts[1]))
		if !ok || !hmac.Equal(mac.Sum(nil), signature) {
			continue
		}
		const skew = 5 * time.Minute
		if now.UnixMilli() >= payload.Ends || payload.Made > now.Add(skew).UnixMilli() {
			return k, "1003" // seconds in place of milliseconds are long past
		}
		return k, ""
	}
	return "", "1004"
}

func checkChatGLM(q *request) complaint {
	for name := range q.fields {
		if !slices.Contains(chatglmFields, name) {
			return complaint{"1210", name}
		}
	}
	var stops []string
	switch {
	case !strings.HasPrefix(q.Model, "glm-") && !strings.HasPrefix(q.Model, "charglm-"):
		return complaint{"1211", q.Model}
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 1):
		return complaint{"1214", "temperature"}
	case q.TopP != nil && (*q.TopP <= 0 || *q.TopP > 1):
		return complaint{"1214", "top_p"}
	case q.MaxTokens != nil && (*q.MaxTokens < 1 || *q.MaxTokens > chatglmLongest(q.Model)):
		return complaint{"1210", "max_tokens"}
	case q.fields["stop"] != nil && (json.Unmarshal(q.fields["stop"], &stops) != nil || len(stops) != 1):
		return complaint{"1214", "stop"}
	case q.Thinking.Type != "" && q.Thinking.Type != "enabled" && q.Thinking.Type != "disabled":
		return complaint{"1214", "thinking.type"}
	case !slices.ContainsFunc(q.Messages, func(m Message) bool { return m.Role == "user" || m.Role == "tool" }):
		return complaint{"1214", "messages"} // none but of the system or the assistant
	}
	var raw []map[string]json.RawMessage
	_ = json.Unmarshal(q.fields["messages"], &raw)
	for i, m := range raw {
		if m["name"] != nil || q.Messages[i].Content == "" {
			return complaint{"1214", fmt.Sprintf("messages[%d]", i)}
		}
	}
	return complaint{}
}

// chatglmLongest is the longest answer in tokens, by model.
func chatglmLongest(model string) int {
	switch {
	case strings.HasPrefix(model, "glm-4.5"):
		return 98_304
	case strings.HasPrefix(model, "glm-4.") || strings.HasPrefix(model, "glm-5"):
		return 131_072
	}
	return 4_095
}

func chatglmChunk(c *completion, p piece) string {
	delta := fmt.Sprintf(`"delta":{"role":"assistant","content":%s}`, quote(p.text))
	if p.reasoning != "" {
		delta = fmt.Sprintf(`"delta":{"role":"assistant","reasoning_content":%s}`, quote(p.reasoning))
	}
	finish, usage := "", ""
	if p.finish != "" {
		finish = fmt.Sprintf(`"finish_reason":%s,`, quote(p.finish))
	}
	if p.usage != nil {
		usage = `,"usage":` + p.usage.String()
	}
	return fmt.Sprintf(`{"id":%q,"created":%d,"object":"chat.completion.chunk","model":%s,"choices":[{"index":0,%s%s}]%s}`,
		c.id, c.created, quote(c.req.Model), finish, delta, usage)
}

func chatglmWhole(c *completion, text, finish string) string {
	return fmt.Sprintf(`{"choices":[{"finish_reason":%q,"index":0,"message":{"content":%s,"role":"assistant"}}],"created":%d,"id":%q,`+
		`"model":%s,"request_id":%q,"usage":%s}`, finish, quote(text), c.created, c.id, quote(c.req.Model), c.id, c.usage())
}

// chatglmRefusals are from the page of error codes at docs.bigmodel.cn. It does not give every code's HTTP status; those not given follow
// what their neighbours have.
func chatglmRefusals() map[string]refusal {
	return byCode([]refusal{
		{500, "500", "", "内部错误"},
		{401, "1000", "", "身份验证失败。"},
		{401, "1001", "", "Header中未收到Authentication参数，无法进行身份验证。"},
		{401, "1002", "", "Authentication Token非法，请确认Authentication Token正确传递。"},
		{401, "1003", "", "Authentication Token已过期，请重新生成/获取。"},
		{401, "1004", "", "通过提供的Authentication Token的验证失败。"},
		{500, "1100", "", "账户读写异常。"},
		{429, "1110", "", "您的账户当前处于非活动状态，请检查账户信息。"},
		{429, "1112", "", "您的账户已被锁定，请联系客服解锁。"},
		{429, "1113", "", "余额不足或无可用资源包,请充值。"},
		{500, "1200", "", "API调用失败。"},
		{400, "1210", "", "API 调用参数有误，请检查文档。%s"},
		{400, "1211", "", "模型不存在，请检查模型代码。"},
		{400, "1213", "", "未正常接收到%s参数。"},
		{400, "1214", "", "%s 参数非法。请检查文档。"},
		{403, "1220", "", "您无权访问该API。"},
		{404, "1222", "", "API不存在。"},
		{500, "1230", "", "API 调用流程出错。"},
		{400, "1231", "", "您已有请求：%s"},
		{500, "1234", "", "网络错误，请联系客服。"},
		{400, "1261", "", "Prompt exceeds max length"},
		{403, "1300", "", "API 调用被策略阻止。"},
		{400, "1301", "", "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。"},
		{429, "1302", "", "您当前使用该API的并发数过高，请降低并发，或联系客服增加限额。"},
		{429, "1303", "", "您当前使用该API的频率过高，请降低频率，或联系客服增加限额。"},
		{429, "1304", "", "该API已达今日调用次数限额。"},
		{429, "1305", "", "该模型当前访问量过大，请您稍后再试。"},
		{429, "1308", "", "已达到 5 小时的使用上限。"},
		{429, "1309", "", "您的套餐已到期，暂无法使用。"},
		{429, "1312", "", "该模型当前访问量过大，请您稍后再试，或切换其他模型。"},
	})
}

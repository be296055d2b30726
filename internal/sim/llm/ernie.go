package llm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// ernieFields are what Qianfan documents for chat completions. Whether it refuses others is not known; the simulator does.
var ernieFields = []string{
	"model", "messages", "stream", "stream_options", "temperature", "top_p", "penalty_score", "repetition_penalty", "frequency_penalty",
	"presence_penalty", "max_tokens", "max_completion_tokens", "seed", "stop", "user", "tools", "tool_choice", "parallel_tool_calls",
	"response_format", "web_search", "metadata", "enable_thinking", "thinking_budget", "reasoning_effort", "safety",
}

func ernieSpec() *spec {
	return &spec{
		base: "/v2", who: "（百度文心）",
		takes: func(path string) bool { return path == "/v2/chat/completions" },
		key:   ernieKey, check: checkERNIE, refusals: ernieRefusals(),
		does: does{path: "invalid_url", malformed: "malformed_json", model: "invalid_model", large: "tokens_too_long", busy: "user_rate_limit_exceeded",
			requests: "rpm_rate_limit_exceeded", tokens: "tpm_rate_limit_exceeded", failure: "internal_error",
			overload: "cluster_rate_limit_exceeded", arrears: "account_overdue"},
		body: func(r refusal, id string) string {
			return fmt.Sprintf(`{"error":{"code":%q,"message":%s,"type":%q},"id":%q}`, r.code, quote(r.message), r.typ, id)
		},
		id:    func(n int) string { return fmt.Sprintf("as-%010x", n) },
		chunk: ernieChunk, whole: openaiWhole, rateHeaders: true,
		thinks: func(*request) bool { return false },
	}
}

// ernieKey takes permanent keys of the v2 API, and an application that the key may book calls on.
func ernieKey(known map[string]bool, r *http.Request) (key, code string) {
	key, ok := bearer(r)
	parts := strings.Split(key, "/")
	if !ok || len(parts) != 3 || parts[0] != "bce-v3" || !strings.HasPrefix(parts[1], "ALTAK-") || len(known) > 0 && !known[key] {
		return key, "invalid_iam_token"
	}
	if app := r.Header.Get("appid"); app != "" && !strings.HasPrefix(app, "app-") {
		return key, "invalid_appid"
	}
	return key, ""
}

func checkERNIE(q *request) complaint {
	for name := range q.fields {
		if !slices.Contains(ernieFields, name) {
			return complaint{"invalid_argument", name}
		}
	}
	families := []string{"ernie-", "qianfan-", "deepseek-", "qwen"} // in lower case only
	switch {
	case !slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(q.Model, f) }) || q.Model != strings.ToLower(q.Model):
		return complaint{"invalid_model", ""}
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 1):
		return complaint{"invalid_argument", "temperature"}
	case q.MaxTokens != nil && (*q.MaxTokens < 2 || *q.MaxTokens > ernieLongest(q.Model)):
		return complaint{"invalid_argument", "max_tokens"}
	case q.StreamOptions != nil && !q.Stream:
		return complaint{"invalid_argument", "stream_options"}
	case q.Messages[len(q.Messages)-1].Role != "user" && q.Messages[len(q.Messages)-1].Role != "tool":
		return complaint{"invalid_messages", "the last message must be the user's"}
	}
	for i, m := range q.Messages {
		if strings.TrimSpace(m.Content) == "" || m.Role == "system" && i > 0 {
			return complaint{"invalid_messages", fmt.Sprintf("messages[%d]", i)}
		}
	}
	return complaint{}
}

// ernieLongest is the longest answer in tokens, by model.
func ernieLongest(model string) int {
	for _, m := range []struct {
		prefix string
		most   int
	}{{"ernie-5", 65_536}, {"ernie-4.5-turbo", 12_288}, {"ernie-4.0-turbo-128k", 4_096}, {"ernie-", 2_048}} {
		if strings.HasPrefix(model, m.prefix) {
			return m.most
		}
	}
	return 1 << 20
}

func ernieChunk(c *completion, p piece) string {
	choice := fmt.Sprintf(`{"index":0,"delta":{"content":%s},"flag":0}`, quote(p.text))
	switch {
	case p.onlyUsage:
		choice = ""
	case p.finish != "":
		choice = fmt.Sprintf(`{"index":0,"delta":{"content":""},"finish_reason":%s,"flag":0}`, quote(p.finish))
	case p.first:
		choice = fmt.Sprintf(`{"index":0,"delta":{"content":%s,"role":"assistant"},"flag":0}`, quote(p.text))
	}
	usage := ""
	if p.usage != nil {
		usage = `,"usage":` + p.usage.String()
	}
	return fmt.Sprintf(`{"id":%q,"object":"chat.completion.chunk","created":%d,"model":%s,"choices":[%s]%s}`,
		c.id, c.created, quote(c.req.Model), choice, usage)
}

// ernieRefusals are from the page of error codes of Qianfan's API reference.
func ernieRefusals() map[string]refusal {
	const limited = "rate_limit_exceeded"
	return byCode([]refusal{
		{400, "malformed_json", badRequest, "Invalid Argument"},
		{400, "invalid_messages", badRequest, "%s"},
		{400, "characters_too_long", badRequest, "the max input characters is 516096"},
		{400, "tokens_too_long", badRequest, "Prompt tokens too long"},
		{400, "invalid_argument", badRequest, "%s is invalid"},
		{401, "no_parameter_permission", "access_denied", "no permission to use the parameter"},
		{401, "invalid_model", badRequest, "The model does not exist or you do not have access to it."},
		{401, "invalid_appid", badRequest, "No permission to use the appid"},
		{401, "invalid_iam_token", badRequest, "IAM Certification failed"},
		{403, "system_unsafe", "unsafe_request", "the content of system field is invalid"},
		{403, "user_setting_unsafe", "unsafe_request", "the content of user field is invalid"},
		{403, "account_overdue", "access_denied", "Access denied due to overdue account"},
		{403, "model_offline", "access_denied", "The model is offline"},
		{404, "invalid_url", badRequest, "not found"},
		{405, "method_not_supported", badRequest, "Only POST requests are accepted"},
		{429, "rpm_rate_limit_exceeded", limited, "Rate limit reached for RPM"},
		{429, "tpm_rate_limit_exceeded", limited, "Rate limit reached for TPM"},
		{429, "user_rate_limit_exceeded", limited, "qps request limit by APP ID reached"},
		{429, "cluster_rate_limit_exceeded", limited, "request limit by resource cluster reached"},
		{500, "internal_error", "Internal_error", "Internal error"},
		{500, "dispatch_internal_error", "Internal_error", "Internal error"},
	})
}

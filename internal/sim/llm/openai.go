package llm

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// openaiFields are what OpenAI's chat completions take; anything else is refused by name.
var openaiFields = []string{
	"model", "messages", "stream", "stream_options", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "user",
	"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format", "seed", "service_tier", "store",
	"metadata", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity", "modalities", "prediction", "audio",
	"web_search_options", "safety_identifier", "prompt_cache_key",
}

const badRequest = "invalid_request_error"

func openaiSpec() *spec {
	return &spec{
		base:  "/v1",
		takes: func(path string) bool { return strings.HasSuffix(path, "/chat/completions") },
		key:   openaiKey, check: checkOpenAI, refusals: openaiRefusals(),
		does: does{path: "unknown_url", malformed: "malformed", model: "model_not_found", large: "context_length_exceeded", busy: "rate_limit_exceeded",
			requests: "rate_limit_exceeded", tokens: "rate_limit_exceeded", failure: "server_error", overload: "server_is_overloaded",
			arrears: "insufficient_quota"},
		body: func(r refusal, _ string) string {
			return fmt.Sprintf(`{"error":{"message":%s,"type":%s,"param":null,"code":%s}}`, quote(r.message), quote(r.typ), strconv.Quote(r.code))
		},
		id:    func(n int) string { return fmt.Sprintf("chatcmpl-%d", n) },
		chunk: openaiChunk, whole: openaiWhole,
		rateHeaders: true, retryAfter: true,
		thinks: func(*request) bool { return false },
	}
}

func openaiKey(known map[string]bool, r *http.Request) (key, code string) {
	key, ok := bearer(r)
	if len(known) > 0 && !known[key] || !ok && r.Header.Get("Authorization") != "" {
		return key, "invalid_api_key"
	}
	return key, ""
}

func checkOpenAI(q *request) complaint {
	for name := range q.fields {
		if !slices.Contains(openaiFields, name) {
			return complaint{"unknown_parameter", name}
		}
	}
	switch {
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 2):
		return complaint{"decimal_above_max_value", "temperature"}
	case q.fields["max_tokens"] != nil && q.fields["max_completion_tokens"] != nil:
		return complaint{"invalid_parameter_combination", "max_tokens"}
	case q.fields["max_tokens"] != nil && reasons(q.Model):
		return complaint{"unsupported_parameter", "max_tokens"}
	case q.StreamOptions != nil && !q.Stream:
		return complaint{"invalid_value", "stream_options"}
	}
	return complaint{}
}

// reasons: models that reason bound their answers, with the thoughts, by max_completion_tokens only.
func reasons(model string) bool {
	return slices.ContainsFunc([]string{"o1", "o3", "o4", "gpt-5", "gpt-6"}, func(p string) bool { return strings.HasPrefix(model, p) })
}

// openaiRefusals are from the guide "Error codes" of OpenAI's documentation.
func openaiRefusals() map[string]refusal {
	return byCode([]refusal{
		{400, "malformed", badRequest, "We could not parse the JSON body of your request."},
		{400, "unknown_parameter", badRequest, "Unknown parameter: '%s'."},
		{400, "unsupported_parameter", badRequest, "Unsupported parameter: '%s' is not supported with this model. Use 'max_completion_tokens' instead."},
		{400, "decimal_above_max_value", badRequest, "Invalid '%s': decimal above maximum value."},
		{400, "invalid_parameter_combination", badRequest, "'%s' does not go with 'max_completion_tokens'."},
		{400, "invalid_value", badRequest, "The '%s' parameter is only allowed when 'stream' is enabled."},
		{400, "context_length_exceeded", badRequest, "This model's maximum context length is exceeded."},
		{400, "content_policy_violation", badRequest, "Your request was rejected by our safety system."},
		{401, "invalid_api_key", badRequest, "Incorrect API key provided."},
		{403, "unsupported_country_region_territory", "request_forbidden", "Country, region, or territory not supported"},
		{404, "model_not_found", badRequest, "The model `%s` does not exist or you do not have access to it."},
		{404, "unknown_url", badRequest, "Invalid URL"},
		{429, "rate_limit_exceeded", "requests", "Rate limit reached for requests"},
		{429, "slow_down", "rate_limit_error", "Please slow down"},
		{429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."},
		{429, "credit_balance_exhausted", "insufficient_quota", "Your credit balance is exhausted."},
		{500, "server_error", "server_error", "The server had an error while processing your request."},
		{503, "server_is_overloaded", "service_unavailable_error", "The engine is currently overloaded, please try again later"},
	})
}

func byCode(list []refusal) map[string]refusal {
	m := make(map[string]refusal, len(list))
	for _, r := range list {
		m[r.code] = r
	}
	return m
}

func openaiChunk(c *completion, p piece) string {
	var choice string
	switch {
	case p.onlyUsage:
	case p.finish != "":
		choice = `{"index":0,"delta":{},"finish_reason":` + quote(p.finish) + `}`
	case p.first:
		choice = `{"index":0,"delta":{"role":"assistant","content":` + quote(p.text) + `},"finish_reason":null}`
	default:
		choice = `{"index":0,"delta":{"content":` + quote(p.text) + `},"finish_reason":null}`
	}
	return `{"id":"` + c.id + `","object":"chat.completion.chunk","created":` + strconv.FormatInt(c.created, 10) + `,"model":` + quote(c.req.Model) +
		`,"choices":[` + choice + `],"usage":` + p.usage.String() + `}`
}

func openaiWhole(c *completion, text, finish string) string {
	return fmt.Sprintf(`{"id":%q,"object":"chat.completion","created":%d,"model":%s,"choices":[{"index":0,`+
		`"message":{"role":"assistant","content":%s},"finish_reason":%q}],"usage":%s}`,
		c.id, c.created, quote(c.req.Model), quote(text), finish, c.usage())
}

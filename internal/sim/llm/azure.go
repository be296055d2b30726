package llm

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// azureSpec is Azure OpenAI as its reference has it: the v1 address, which takes a key as a bearer or as api-key, and deployments, which take
// api-key only and need ?api-version=.
func azureSpec() *spec {
	s := openaiSpec()
	s.base = "/openai/v1"
	s.takes = func(path string) bool {
		deployment, ok := strings.CutPrefix(path, "/openai/deployments/")
		name, rest, _ := strings.Cut(deployment, "/")
		return path == "/openai/v1/chat/completions" || ok && name != "" && rest == "chat/completions"
	}
	s.key = azureKey
	s.refusals = azureRefusals()
	s.does = does{path: "404", malformed: "BadRequest", model: "DeploymentNotFound", large: "context_length_exceeded", busy: "429", requests: "429", tokens: "429",
		failure: "InternalServerError", overload: "ServiceUnavailable", arrears: "insufficient_quota"}
	s.body = func(r refusal, _ string) string {
		inner := ""
		if r.code == "content_filter" {
			inner = `,"status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}`
		}
		return fmt.Sprintf(`{"error":{"message":%s,"type":null,"param":null,"code":%q%s}}`, quote(r.message), r.code, inner)
	}
	s.chunk = func(c *completion, p piece) string {
		text := openaiChunk(c, p)
		if p.first { // the verdict on the prompt comes before the first choice
			text = fmt.Sprintf(`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,`+
				`"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`+"\n\ndata: %s", text)
		}
		return text
	}
	return s
}

func azureKey(known map[string]bool, r *http.Request) (key, code string) {
	deployment := strings.HasPrefix(r.URL.Path, "/openai/deployments/")
	if deployment && r.URL.Query().Get("api-version") == "" {
		return "", "404"
	}
	key = r.Header.Get("api-key")
	if key == "" && !deployment {
		key, _ = bearer(r)
	}
	if key == "" || len(known) > 0 && !known[key] {
		return key, "401"
	}
	return key, ""
}

func azureRefusals() map[string]refusal {
	m := byCode([]refusal{
		{400, "BadRequest", "", "The request could not be read."},
		{400, "content_filter", "", "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."},
		{401, "401", "", "Access denied due to invalid subscription key or wrong API endpoint."},
		{404, "404", "", "Resource not found"},
		{404, "DeploymentNotFound", "", "The API deployment for this resource does not exist."},
		{429, "429", "", "Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your current pricing tier."},
		{500, "InternalServerError", "", "The server had an error while processing your request."},
		{503, "ServiceUnavailable", "", "The service is temporarily unable to process your request."},
	})
	for code, r := range openaiRefusals() {
		if _, own := m[code]; !own && r.status == http.StatusBadRequest {
			m[code] = r
		}
	}
	return maps.Clone(m)
}

package openai

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"parley/internal/chat"
	"parley/internal/jsonstr"
)

// failure is an error in OpenAI's form, by which its clients choose their exceptions and whether to try again.
type failure struct {
	status           int
	typ, code, param string // empty: null
	message          string
	after            time.Duration // Retry-After
	final            bool          // trying again soon is useless, whatever the status says
}

// OpenAI's words.
const (
	typeInvalid = "invalid_request_error"
	typeServer  = "server_error"
	typeRate    = "requests"
	typeQuota   = "insufficient_quota"
	typeDenied  = "request_forbidden"
)

// Error implements error.
func (f *failure) Error() string { return f.message }

// invalid is a request that is wrong at a parameter.
func invalid(param, message string) *failure {
	return &failure{status: http.StatusBadRequest, typ: typeInvalid, param: param, message: message}
}

func unavailable(message string, after time.Duration) *failure {
	return &failure{status: http.StatusServiceUnavailable, typ: typeServer, code: "service_unavailable", message: message, after: after}
}

// body is the error as a JSON object.
func (f *failure) body(b []byte) []byte {
	b = append(b, `{"error":{"message":`...)
	b = jsonstr.AppendQuoted(b, f.message)
	for _, field := range [...]struct{ name, value string }{{"type", f.typ}, {"param", f.param}, {"code", f.code}} {
		b = append(b, ',', '"')
		b = append(b, field.name...)
		b = append(b, '"', ':')
		if field.value == "" {
			b = append(b, "null"...)
		} else {
			b = jsonstr.AppendQuoted(b, field.value)
		}
	}
	return append(b, '}', '}')
}

// write answers with the error; no byte of an answer may have been written before.
func (f *failure) write(w http.ResponseWriter) {
	h := w.Header()
	if f.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.after+time.Second-1)/time.Second)))
	}
	if f.final { // OpenAI's own clients obey it
		h.Set("X-Should-Retry", "false")
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, f.status, f.body(nil))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever went away reads nothing
}

// failureOf is an error of a completion in OpenAI's form. It tells nothing of what a provider said, but its code.
func failureOf(err error) *failure {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok {
		e = &chat.Error{Kind: chat.KindOf(err)}
	}
	switch e.Code {
	case chat.CodeQuota:
		return &failure{status: http.StatusTooManyRequests, typ: typeQuota, code: "insufficient_quota", after: e.RetryAfter, final: true,
			message: "The tokens of this day are spent. They are renewed at midnight in Beijing (UTC+8)."}
	case chat.CodeInFlight:
		return &failure{status: http.StatusTooManyRequests, typ: typeRate, code: "rate_limit_exceeded", after: e.RetryAfter,
			message: "Too many requests of your company are being answered at once. Try again soon."}
	case chat.CodeStopped:
		return suspended()
	case chat.CodeModerated:
		return &failure{status: http.StatusBadRequest, typ: typeInvalid, code: "content_filter", param: "messages",
			message: "Your company's rules refuse the content of the request or of the answer."}
	case chat.CodeNoVision:
		return invalid("messages", "The model that answers this request looks at no images.")
	}
	return failureOfKind(e)
}

func failureOfKind(e *chat.Error) *failure {
	switch e.Kind {
	case chat.Invalid:
		return invalid("", "The model's provider refused the request as invalid"+codeOf(e)+".")
	case chat.TooLarge:
		return &failure{status: http.StatusBadRequest, typ: typeInvalid, code: "context_length_exceeded", param: "messages",
			message: "The messages are longer than the model's context, or than your company allows."}
	case chat.Rejected:
		return &failure{status: http.StatusBadRequest, typ: typeInvalid, code: "content_filter", param: "messages",
			message: "The model's provider refused the content of the request or of the answer" + codeOf(e) + "."}
	case chat.NotFound:
		return &failure{status: http.StatusNotFound, typ: typeInvalid, code: "model_not_found", param: "model",
			message: "The model is not to be had at present."}
	case chat.Forbidden:
		return &failure{status: http.StatusForbidden, typ: typeDenied, code: "provider_not_allowed", param: "model",
			message: "Your company allows none of the providers of this model."}
	case chat.RateLimited:
		return &failure{status: http.StatusTooManyRequests, typ: typeRate, code: "rate_limit_exceeded", after: max(e.RetryAfter, time.Second),
			message: "The model's provider is at its limit. Try again soon."}
	case chat.Timeout:
		return &failure{status: http.StatusGatewayTimeout, typ: typeServer, code: "timeout", message: "The model did not answer in time."}
	case chat.Overloaded:
		return unavailable("There is more to do than can be done at once. Try again soon.", max(e.RetryAfter, time.Second))
	case chat.Canceled:
		return unavailable("The request was broken off. Try again.", time.Second)
	case chat.Unavailable:
		return unavailable("No model could be asked, or its answer broke off. Try again soon.", e.RetryAfter)
	default: // a provider's refusal of the operator's key or account among them: nothing that a caller could mend
		return &failure{status: http.StatusInternalServerError, typ: typeServer, message: "The request failed. The operator's log says why."}
	}
}

// codeOf quotes the outside party's code.
func codeOf(e *chat.Error) string {
	if e.Code == "" {
		return ""
	}
	return " (" + e.Code + ")"
}

func suspended() *failure {
	return &failure{status: http.StatusForbidden, typ: typeDenied, code: "account_deactivated", message: "Your company's service is suspended."}
}

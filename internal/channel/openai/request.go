package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"parley/internal/chat"
)

// raw is a field of which only matters whether it asks for something.
type raw = json.RawMessage

// request is a body of POST /v1/chat/completions: every field that OpenAI documents, so that one that is unknown, or cannot be carried, is refused
// by name.
type request struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions *struct {
		IncludeUsage       bool `json:"include_usage"`
		IncludeObfuscation bool `json:"include_obfuscation"` // padding against those who watch encrypted lengths: there is none
	} `json:"stream_options"`

	Temperature         *float64 `json:"temperature"`
	TopP                *float64 `json:"top_p"`
	PresencePenalty     *float64 `json:"presence_penalty"`
	FrequencyPenalty    *float64 `json:"frequency_penalty"`
	Seed                *int64   `json:"seed"`
	Stop                any      `json:"stop"`
	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	ResponseFormat      *struct {
		Type   string `json:"type"`
		Schema raw    `json:"json_schema"`
	} `json:"response_format"`

	// What changes the answer in ways that cannot be carried.
	N                *int     `json:"n"`
	Logprobs         bool     `json:"logprobs"`
	TopLogprobs      int      `json:"top_logprobs"`
	LogitBias        raw      `json:"logit_bias"`
	Tools            raw      `json:"tools"`
	ToolChoice       raw      `json:"tool_choice"`
	Functions        raw      `json:"functions"`
	FunctionCall     raw      `json:"function_call"`
	Modalities       []string `json:"modalities"`
	Audio            raw      `json:"audio"`
	WebSearchOptions raw      `json:"web_search_options"`

	// Hints and bookkeeping, which change no answer's meaning.
	User                 raw `json:"user"`
	Metadata             raw `json:"metadata"`
	Store                raw `json:"store"`
	ServiceTier          raw `json:"service_tier"`
	SafetyIdentifier     raw `json:"safety_identifier"`
	PromptCacheKey       raw `json:"prompt_cache_key"`
	PromptCacheRetention raw `json:"prompt_cache_retention"`
	ReasoningEffort      raw `json:"reasoning_effort"`
	Verbosity            raw `json:"verbosity"`
	Prediction           raw `json:"prediction"`
	ParallelToolCalls    raw `json:"parallel_tool_calls"`
}

// message is one of a request's messages; clients also send back what they got.
type message struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // a string or a list of parts
	Refusal string `json:"refusal"`

	ToolCalls    raw `json:"tool_calls"`
	ToolCallID   raw `json:"tool_call_id"`
	FunctionCall raw `json:"function_call"`
	Audio        raw `json:"audio"`

	Name        raw `json:"name"`
	Annotations raw `json:"annotations"`
	Reasoning   raw `json:"reasoning_content"`
}

// asks says whether a field is more than absent, null, false or empty.
func asks(r raw) bool {
	switch string(bytes.TrimSpace(r)) {
	case "", "null", "false", "[]", "{}", `""`:
		return false
	}
	return true
}

// parse reads a body.
func parse(body []byte) (*request, *failure) {
	if rest, messages, ok := withoutMessages(body); ok {
		if r, f := decode(rest); f == nil {
			r.Messages = messages
			return r, nil
		}
	}
	return decode(body)
}

func decode(body []byte) (*request, *failure) {
	r := new(request)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, unreadable(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("", "There is something after the JSON object of the request.")
	}
	return r, nil
}

func unreadable(err error) *failure {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		f := invalid(e.Field, fmt.Sprintf("Invalid type for '%s': got a JSON %s.", e.Field, e.Value))
		f.code = "invalid_type"
		return f
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		f := invalid(strings.Trim(name, `"`), "Unknown parameter: "+name+". It is not one of OpenAI's chat completions, so it is not known what it asks for.")
		f.code = "unknown_parameter"
		return f
	}
	return invalid("", "The body of the request is not valid JSON: "+err.Error())
}

// wish is what a request asks for.
type wish struct {
	chat.Request
	stream, usage bool
	ignored       []string // parameters that were left out
}

// read makes a wish of the request, or says what it cannot have.
func (r *request) read() (wish, *failure) {
	w := wish{stream: r.Stream, ignored: r.hints()}
	for _, check := range []func(*wish) *failure{r.refused, r.sampling, r.length, r.dialog} {
		if f := check(&w); f != nil {
			return w, f
		}
	}
	if r.StreamOptions != nil {
		if !r.Stream {
			return w, invalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
		}
		w.usage = r.StreamOptions.IncludeUsage
	}
	w.Model, w.Deltas = r.Model, r.Stream
	if r.Model == "" {
		return w, invalid("model", "You must provide a model parameter; GET /v1/models lists those that there are.")
	}
	return w, nil
}

// hints are the parameters that are left out.
func (r *request) hints() (names []string) {
	for _, h := range [...]struct {
		name  string
		value raw
	}{
		{"user", r.User}, {"metadata", r.Metadata}, {"store", r.Store}, {"service_tier", r.ServiceTier}, {"safety_identifier", r.SafetyIdentifier},
		{"prompt_cache_key", r.PromptCacheKey}, {"prompt_cache_retention", r.PromptCacheRetention}, {"reasoning_effort", r.ReasoningEffort},
		{"verbosity", r.Verbosity}, {"prediction", r.Prediction}, {"parallel_tool_calls", r.ParallelToolCalls},
	} {
		if asks(h.value) {
			names = append(names, h.name)
		}
	}
	for _, m := range r.Messages {
		if asks(m.Name) {
			return append(names, "messages[].name")
		}
	}
	return names
}

// refused names what cannot be carried to every model that a route may lead to.
func (r *request) refused(*wish) *failure {
	choice := string(bytes.TrimSpace(r.ToolChoice))
	for _, x := range [...]struct {
		param string
		asked bool
	}{
		{"tools", asks(r.Tools)}, {"functions", asks(r.Functions)},
		{"tool_choice", asks(r.ToolChoice) && choice != `"none"` && choice != `"auto"`},
		{"function_call", asks(r.FunctionCall) && string(bytes.TrimSpace(r.FunctionCall)) != `"none"` && string(bytes.TrimSpace(r.FunctionCall)) != `"auto"`},
		{"logprobs", r.Logprobs}, {"top_logprobs", r.TopLogprobs != 0}, {"logit_bias", asks(r.LogitBias)},
		{"audio", asks(r.Audio)}, {"web_search_options", asks(r.WebSearchOptions)},
		{"modalities", len(r.Modalities) > 0 && (len(r.Modalities) > 1 || r.Modalities[0] != "text")},
		{"n", r.N != nil && *r.N != 1},
	} {
		if x.asked {
			return unsupported(x.param)
		}
	}
	return nil
}

func unsupported(param string) *failure {
	f := invalid(param, fmt.Sprintf("Unsupported parameter: '%s' is not supported here: it cannot be carried to every model that may answer.", param))
	f.code = "unsupported_parameter"
	return f
}

// sampling reads how the answer is to be chosen.
func (r *request) sampling(w *wish) *failure {
	s := &chat.Sampling{
		Temperature: r.Temperature, TopP: r.TopP, Presence: r.PresencePenalty, Frequency: r.FrequencyPenalty, Seed: r.Seed,
	}
	for _, x := range [...]struct {
		param       string
		value       *float64
		least, most float64
	}{
		{"temperature", s.Temperature, 0, 2}, {"top_p", s.TopP, 0, 1},
		{"presence_penalty", s.Presence, -2, 2}, {"frequency_penalty", s.Frequency, -2, 2},
	} {
		if x.value != nil && (*x.value < x.least || *x.value > x.most) {
			return invalid(x.param, fmt.Sprintf("Invalid '%s': expected a number from %v to %v, got %v.", x.param, x.least, x.most, *x.value))
		}
	}
	var f *failure
	if s.Stop, f = stops(r.Stop); f != nil {
		return f
	}
	if r.ResponseFormat != nil {
		switch r.ResponseFormat.Type {
		case "text":
		case "json_object":
			s.JSON = true
		default:
			return invalid("response_format", "Only response_format of type text or json_object is supported here: not every model that may answer keeps to a schema.")
		}
	}
	if s.Temperature != nil || s.TopP != nil || s.Presence != nil || s.Frequency != nil || s.Seed != nil || s.Stop != nil || s.JSON {
		w.Sampling = s
	}
	return nil
}

// maxStops is OpenAI's own limit.
const maxStops = 4

func stops(v any) (list []string, f *failure) {
	wrong := invalid("stop", fmt.Sprintf("Invalid 'stop': expected a string that is not empty, or a list of %d of them at most.", maxStops))
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		list = []string{v}
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, wrong
			}
			list = append(list, text)
		}
	default:
		return nil, wrong
	}
	for _, text := range list {
		if text == "" || len(list) > maxStops {
			return nil, wrong
		}
	}
	return list, nil
}

// maxOutput is more than any model writes.
const maxOutput = 10_000_000

// length reads how long the answer may be.
func (r *request) length(w *wish) *failure {
	if r.MaxTokens != nil && r.MaxCompletionTokens != nil {
		return invalid("max_tokens", "'max_tokens' and 'max_completion_tokens' mean the same; set only one of them.")
	}
	param, n := "max_tokens", r.MaxTokens
	if n == nil {
		param, n = "max_completion_tokens", r.MaxCompletionTokens
	}
	switch {
	case n == nil:
	case *n < 1 || *n > maxOutput:
		return invalid(param, fmt.Sprintf("Invalid '%s': expected a number from 1 to %d, got %d.", param, maxOutput, *n))
	default:
		w.MaxOutput = *n
	}
	return nil
}

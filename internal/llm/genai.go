package llm

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/route"
	"parley/internal/telemetry"
)

// Names of OpenTelemetry's semantic conventions for generative AI (github.com/open-telemetry/semantic-conventions-genai, in development): our own
// constants, since those of its Go package follow late. A test holds them.
const (
	genOperation    = "gen_ai.operation.name"
	genProvider     = "gen_ai.provider.name"
	genRequestModel = "gen_ai.request.model"
	genConversation = "gen_ai.conversation.id"
	genStream       = "gen_ai.request.stream"
	genFinish       = "gen_ai.response.finish_reasons"
	genFirstChunk   = "gen_ai.response.time_to_first_chunk"
	genInput        = "gen_ai.usage.input_tokens"
	genOutput       = "gen_ai.usage.output_tokens"
	genCached       = "gen_ai.usage.cache_read.input_tokens"
	genReasoning    = "gen_ai.usage.reasoning.output_tokens"
	serverAddress   = "server.address"
	serverPort      = "server.port"
	operationChat   = "chat"
)

// vendor is a provider's name as the conventions have it. They list none for Zhipu, Baidu and whatever else speaks OpenAI's form.
func vendor(p *route.Provider) string {
	switch {
	case p.Dialect == "chatglm":
		return "zhipu"
	case p.Dialect == "ernie":
		return "baidu.qianfan"
	case p.Auth == route.AuthAPIKey:
		return "azure.ai.openai"
	default:
		return p.Dialect
	}
}

// operation is the span of all calls of one turn to one choice: the conventions want one over all retries. A retry may come after another provider
// was tried, so the span ends with the turn, as of the end of its last call.
type operation struct {
	span    telemetry.Span
	began   time.Time
	ended   time.Time
	failure *chat.Error
	calls   int
}

// traced begins the span of a choice with its first call.
func (c *exchange) traced(ctx context.Context) {
	if c.trace == nil {
		return
	}
	if c.spans == nil {
		_, span := c.trace.Start(ctx, operationChat+" "+c.Model, telemetry.Client)
		c.spans = &operation{span: span, began: c.began}
		if span.On() {
			c.describe(span)
		}
	}
	c.spans.calls++
}

func (c *exchange) describe(span telemetry.Span) {
	span.Set(
		telemetry.String(genOperation, operationChat), telemetry.String(genProvider, vendor(c.Provider)), telemetry.String(genRequestModel, c.Model),
		telemetry.String(genConversation, c.req.Conversation), telemetry.Bool(genStream, true),
		telemetry.String("parley.provider", c.Provider.Name), telemetry.Bool("parley.own_key", c.Own),
		telemetry.Bool("parley.degraded", c.start.Degraded), telemetry.Bool("parley.fallback", c.start.Fallback),
	)
	if at, err := url.Parse(c.Provider.BaseURL); err == nil && at.Hostname() != "" {
		port, err := strconv.Atoi(at.Port())
		if err != nil {
			port = map[string]int{"http": 80, "https": 443}[at.Scheme]
		}
		span.Set(telemetry.String(serverAddress, at.Hostname()), telemetry.Int(serverPort, port))
	}
}

// told notes what became of a call, and counts it as the conventions have it.
func (c *exchange) told(failure *chat.Error) {
	c.metrics.genai.ended(c, failure)
	o := c.spans
	if o == nil {
		return
	}
	if o.ended, o.failure = time.Now(), failure; !o.span.On() {
		return
	}
	if c.heard {
		o.span.Set(telemetry.Seconds(genFirstChunk, c.began.Add(c.first).Sub(o.began)))
	}
	if c.answer.FinishReason != "" {
		o.span.Set(telemetry.Strings(genFinish, c.answer.FinishReason))
	}
	if u := c.answer.Usage; u != (chat.Usage{}) { // what the provider said; nothing is guessed here
		o.span.Set(telemetry.Int(genInput, u.Input), telemetry.Int(genOutput, u.Output), telemetry.Int(genCached, u.Cached), telemetry.Int(genReasoning, u.Reasoning))
	}
}

// endSpans ends the spans of a turn's choices.
func (t *turn) endSpans() {
	for i := range t.tries {
		if o := t.tries[i].spans; o != nil {
			o.span.Set(telemetry.Int("parley.calls", o.calls))
			o.span.EndAt(o.ended, errorOrNil(o.failure))
		}
	}
}

// genAI are the conventions' metrics, beside Parley's own, which tell more: dashboards that are made for any program read these.
type genAI struct {
	tokens   *prometheus.HistogramVec
	duration *prometheus.HistogramVec
	first    *prometheus.HistogramVec
}

func newGenAI() genAI {
	seconds := prometheus.ExponentialBuckets(0.01, 2, 14) // as the conventions want them: 0.01 to 81.92
	who := []string{"gen_ai_provider_name", "gen_ai_request_model"}
	operation := prometheus.Labels{"gen_ai_operation_name": operationChat}
	return genAI{
		tokens: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gen_ai_client_token_usage", Help: "Tokens of a call, as the provider reported them.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 14), ConstLabels: operation}, append(who, "gen_ai_token_type")),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gen_ai_client_operation_duration_seconds", Help: "Whole calls; error_type is empty of those that succeeded.",
			Buckets: seconds, ConstLabels: operation}, append(who, "error_type")),
		first: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gen_ai_client_operation_time_to_first_chunk_seconds", Help: "From the call to the first text.",
			Buckets: seconds, ConstLabels: operation}, who),
	}
}

func (g genAI) collectors() []prometheus.Collector {
	return []prometheus.Collector{g.tokens, g.duration, g.first}
}

func (g genAI) ended(c *exchange, failure *chat.Error) {
	kind := ""
	if failure != nil {
		kind = failure.Kind.String()
	}
	who := vendor(c.Provider)
	g.duration.WithLabelValues(who, c.Model, kind).Observe(c.took.Seconds())
	if u := c.answer.Usage; u != (chat.Usage{}) {
		g.tokens.WithLabelValues(who, c.Model, "input").Observe(float64(u.Input))
		g.tokens.WithLabelValues(who, c.Model, "output").Observe(float64(u.Output))
	}
}

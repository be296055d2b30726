package rpc

import (
	"errors"
	"time"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

// encodeRequest refers to r's history.
func encodeRequest(r chat.Request) *request {
	out := &chatv1.CompleteRequest{
		Tenant: r.Tenant, Conversation: r.Conversation, Turn: r.Turn, Attempt: count(r.Attempt), User: r.User, Model: r.Model,
		System: r.System, Question: r.Question, MaxOutput: count(r.MaxOutput), Deltas: r.Deltas,
		DeltaGapMs: count(int(r.DeltaGap.Milliseconds())), MaxPrompt: count(r.MaxPrompt), Sampling: encodeSampling(r.Sampling),
	}
	for _, p := range r.Images {
		out.Images = append(out.Images, &chatv1.Image{Type: p.Type, Data: p.Data})
	}
	if len(r.Keys) > 0 {
		out.Keys = make(map[string]*chatv1.Keys, len(r.Keys))
	}
	for provider, secrets := range r.Keys {
		keys := &chatv1.Keys{}
		for _, s := range secrets {
			keys.Key = append(keys.Key, s.Reveal())
		}
		out.Keys[provider] = keys
	}
	if r.Providers != nil { // an empty list is a list: nobody may see the data
		out.Providers = &chatv1.Providers{Name: r.Providers}
	}
	return &request{head: out, history: r.History}
}

func decodeRequest(in *request) chat.Request {
	r := in.head
	out := chat.Request{
		Tenant: r.GetTenant(), Conversation: r.GetConversation(), Turn: r.GetTurn(), Attempt: int(r.GetAttempt()), User: r.GetUser(),
		Model: r.GetModel(), System: r.GetSystem(), Question: r.GetQuestion(), MaxOutput: int(r.GetMaxOutput()), Deltas: r.GetDeltas(),
		DeltaGap: time.Duration(r.GetDeltaGapMs()) * time.Millisecond, MaxPrompt: int(r.GetMaxPrompt()),
		Sampling: decodeSampling(r.GetSampling()), History: in.history,
	}
	for _, p := range r.GetImages() {
		out.Images = append(out.Images, chat.Picture{Type: chat.PictureType(p.GetData()), Data: p.GetData()})
	}
	if len(r.GetKeys()) > 0 {
		out.Keys = make(map[string][]chat.Secret, len(r.GetKeys()))
	}
	for provider, keys := range r.GetKeys() {
		out.Keys[provider] = []chat.Secret{} // an empty list is a list: the platform's key is not to be spent
		for _, k := range keys.GetKey() {
			out.Keys[provider] = append(out.Keys[provider], chat.NewSecret(k))
		}
	}
	if r.GetProviders() != nil {
		out.Providers = append([]string{}, r.GetProviders().GetName()...)
	}
	return out
}

func encodeSampling(s *chat.Sampling) *chatv1.Sampling {
	if s == nil {
		return nil
	}
	return &chatv1.Sampling{
		Temperature: s.Temperature, TopP: s.TopP, PresencePenalty: s.Presence, FrequencyPenalty: s.Frequency, Seed: s.Seed, Stop: s.Stop, Json: s.JSON,
	}
}

func decodeSampling(s *chatv1.Sampling) *chat.Sampling {
	if s == nil {
		return nil
	}
	return &chat.Sampling{
		Temperature: s.Temperature, TopP: s.TopP, Presence: s.PresencePenalty, Frequency: s.FrequencyPenalty, Seed: s.Seed, Stop: s.GetStop(), JSON: s.GetJson(),
	}
}

// encodeEvent gives what is sent of an event: a message or a piece.
func encodeEvent(e chat.Event) (any, error) {
	switch e.Kind {
	case chat.Started:
		return &chatv1.CompleteEvent{Event: &chatv1.CompleteEvent_Started{Started: encodeStart(e.Start)}}, nil
	case chat.Delta:
		return piece(e.Text), nil
	case chat.Finished:
		r := e.Reply
		return &chatv1.CompleteEvent{Event: &chatv1.CompleteEvent_Finished{Finished: &chatv1.Finished{
			Text: r.Text, FinishReason: r.FinishReason,
			Usage:          encodeUsage(r.Usage),
			QuestionTokens: count(r.QuestionTokens), AnswerTokens: count(r.AnswerTokens),
		}}}, nil
	case chat.Spent:
		return &chatv1.CompleteEvent{Event: &chatv1.CompleteEvent_Spent{Spent: &chatv1.Spent{
			Provider: e.Spend.Provider, Model: e.Spend.Model, Usage: encodeUsage(e.Spend.Usage), Own: e.Spend.Own,
		}}}, nil
	default:
		return nil, chat.E(chat.Internal, "rpc.event", errors.New("an event of no kind"))
	}
}

// decodeEvent reports false for an event that this release does not know: a newer server may send more, and they are passed over.
func decodeEvent(e *event) (chat.Event, bool) {
	if e.piece != "" {
		return chat.Event{Kind: chat.Delta, Text: e.piece}, true
	}
	switch ev := e.other.GetEvent().(type) {
	case *chatv1.CompleteEvent_Started:
		return chat.Event{Kind: chat.Started, Start: decodeStart(ev.Started)}, true
	case *chatv1.CompleteEvent_Delta:
		return chat.Event{Kind: chat.Delta, Text: ev.Delta.GetText()}, true
	case *chatv1.CompleteEvent_Finished:
		f := ev.Finished
		return chat.Event{Kind: chat.Finished, Reply: chat.Reply{
			Text: f.GetText(), FinishReason: f.GetFinishReason(),
			Usage:          decodeUsage(f.GetUsage()),
			QuestionTokens: int(f.GetQuestionTokens()), AnswerTokens: int(f.GetAnswerTokens()),
		}}, true
	case *chatv1.CompleteEvent_Spent:
		return chat.Event{Kind: chat.Spent, Spend: chat.Spend{
			Provider: ev.Spent.GetProvider(), Model: ev.Spent.GetModel(), Usage: decodeUsage(ev.Spent.GetUsage()), Own: ev.Spent.GetOwn(),
		}}, true
	default:
		return chat.Event{}, false
	}
}

func encodeUsage(u chat.Usage) *chatv1.Usage {
	return &chatv1.Usage{
		Input: count(u.Input), Cached: count(u.Cached), Output: count(u.Output), Reasoning: count(u.Reasoning), Estimated: u.Estimated,
	}
}

func decodeUsage(u *chatv1.Usage) chat.Usage {
	return chat.Usage{
		Input: int(u.GetInput()), Cached: int(u.GetCached()), Output: int(u.GetOutput()), Reasoning: int(u.GetReasoning()),
		Estimated: u.GetEstimated(),
	}
}

func encodeStart(s chat.Start) *chatv1.Started {
	return &chatv1.Started{
		Provider: s.Provider, Model: s.Model, Revision: s.Revision, Degraded: s.Degraded, Fallback: s.Fallback,
		Images: count(s.Images),
	}
}

func decodeStart(s *chatv1.Started) chat.Start {
	return chat.Start{
		Provider: s.GetProvider(), Model: s.GetModel(), Revision: s.GetRevision(), Degraded: s.GetDegraded(), Fallback: s.GetFallback(),
		Images: int(s.GetImages()),
	}
}

// count keeps a negative number from becoming four billion on the wire.
func count(n int) uint32 { return uint32(max(n, 0)) }

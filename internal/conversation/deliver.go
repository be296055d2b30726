package conversation

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
)

// deliver sends a stored reply's parts from part `from` on and returns the next claim of the conversation, if there is one. sentAgo ≥ 0
// says that the first of them may have been sent before, that long ago, by whoever owned the conversation then.
func (s *Service) deliver(own context.Context, t *chat.Tenant, outlet Outlet, c Claim, parts []chat.Part, from int, sentAgo time.Duration) (*Claim, error) {
	for i := from; i < len(parts); i++ {
		result, err := s.send(own, t, outlet, c, parts[i], sentAgo)
		if err != nil {
			return nil, err
		}
		sentAgo = -1
		if result == "ambiguous" {
			s.metrics.ambiguous.WithLabelValues(t.Name).Inc()
			s.Log.Warn("a part of a reply may or may not have been shown; it is not sent again",
				"tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "part", i)
		}
		s.metrics.sends.WithLabelValues(t.Name, result).Inc()
		began := time.Now()
		next, err := insist(own, s, "delivered", func(ctx context.Context) (Next, error) {
			return s.Store.Delivered(ctx, c, i, s.claimOptions(t))
		})
		s.metrics.step("delivered", began)
		if err != nil {
			return nil, err
		}
		if i == len(parts)-1 {
			s.metrics.step("reply", time.Now().Add(-max(0, time.Since(c.Message.AcceptedAt))))
			return next.Claim, nil
		}
	}
	return nil, nil
}

// send sends one part until the platform takes it, refuses it for good, or SendFor has passed. Once it may have been shown, it is sent
// again only as long as the platform would notice the repetition. Its error means that the conversation is lost or handed over, with the
// part's fate left to the next owner.
func (s *Service) send(own context.Context, t *chat.Tenant, outlet Outlet, c Claim, p chat.Part, sentAgo time.Duration) (result string, err error) {
	ctx, cancel := linger(own, 2*time.Second)
	defer cancel()
	began := time.Now()
	var maybe time.Time // when it may have been shown first
	if sentAgo >= 0 {
		maybe = began.Add(-sentAgo)
	}
	for try := 0; ; try++ {
		if errors.Is(context.Cause(own), errLost) {
			return "", errLost // its new owner sends it
		}
		if !maybe.IsZero() && !outlet.Resendable(time.Since(maybe)) {
			return "ambiguous", nil
		}
		tried := time.Now()
		err := outlet.Send(ctx, c.Message.Message, p)
		s.metrics.step("send", tried)
		if err == nil {
			return "sent", nil
		}
		e := asError(err)
		s.metrics.sendErrors.WithLabelValues(t.Name, e.Kind.String(), s.metrics.codes.label(e.Code)).Inc()
		if cause := context.Cause(own); cause != nil {
			return "", cause
		}
		if e.Maybe && maybe.IsZero() {
			maybe = tried
		}
		if !e.Maybe && !sendAgain(e.Kind) || time.Since(began) > s.SendFor {
			s.Log.Error("a part of a reply cannot be delivered", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "tries", try+1, "err", err)
			return "undeliverable", nil
		}
		s.Log.Warn("sending a part of a reply failed, trying again", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "try", try+1, "err", err)
		if err := s.Pause(own, max(s.Backoff(try), e.RetryAfter)); err != nil {
			return "", context.Cause(own)
		}
		if now, ok := s.Directory.Outlet(c.Key.Tenant, c.Key.Channel); ok {
			outlet = now // an operator may have mended its secret
		}
	}
}

// sendAgain says which failures to send are worth waiting for: what passes by itself, and what an operator can mend (a wrong secret, a
// caller's address that the platform does not trust).
func sendAgain(k chat.Kind) bool {
	return k.Retryable() || k == chat.Unauthenticated || k == chat.Forbidden
}

func asError(err error) *chat.Error {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	return chat.E(chat.KindOf(err), "conversation.send", err)
}

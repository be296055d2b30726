package wecom

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// What follows lends tokens, faults and sealed deliveries to simulators of WeCom's other products, which live on the same platform.

// API serves a call of an application whose access token holds; name is its path below /cgi-bin/, for faults and counts. What do returns is
// answered as JSON.
func (s *Sim) API(name string, do func(Ref, *http.Request) any) http.HandlerFunc {
	return s.api(name, func(r *http.Request) any {
		a, no := s.holder(r)
		if a == nil {
			return no
		}
		return do(a.Ref, r)
	})
}

// Refusal is the platform's answer of an error.
func Refusal(code int64, message string) any { return refusal(code, message) }

// Deliver posts an XML document, sealed afresh for every try, to an application's callbacks until it is answered 200 or the tries are used up;
// the error says that it was not.
func (s *Sim) Deliver(ctx context.Context, ref Ref, doc string) ([]Try, error) {
	a, err := s.app(ref)
	if err != nil {
		return nil, err
	}
	tries, err := s.insist(ctx, a, doc)
	if err == nil {
		s.repeat(ctx, a, doc)
	}
	return tries, err
}

// SealDocument is [Seal] for a document that its caller wrote.
func SealDocument(a App, doc string, at time.Time) (url.Values, []byte, error) {
	sealer, err := NewSealer(a.CorpID, a.Token, a.AESKey)
	if err != nil {
		return nil, nil, err
	}
	query, body := sealer.post(a.Ref, doc, at)
	return query, body, nil
}

package rpc

import (
	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

func encodeProvider(p chat.ProviderState) *chatv1.ProviderState {
	out := &chatv1.ProviderState{
		Name: p.Name, Keys: count(p.Keys), Resting: count(p.Resting), Concurrency: count(p.Concurrency), InFlight: count(p.InFlight),
		NeedsKey: p.NeedsKey, Open: p.Open, Unresolved: count(p.Unresolved),
	}
	for _, r := range p.Rests {
		out.Rests = append(out.Rests, &chatv1.KeyRest{Fingerprint: r.Fingerprint, Kind: r.Kind, Code: r.Code, UntilUnixMs: r.Until})
	}
	return out
}

func decodeProvider(p *chatv1.ProviderState) chat.ProviderState {
	out := chat.ProviderState{
		Name: p.GetName(), Keys: int(p.GetKeys()), Resting: int(p.GetResting()), Concurrency: int(p.GetConcurrency()), InFlight: int(p.GetInFlight()),
		NeedsKey: p.GetNeedsKey(), Open: p.GetOpen(), Unresolved: int(p.GetUnresolved()),
	}
	for _, r := range p.GetRests() {
		out.Rests = append(out.Rests, chat.KeyRest{Fingerprint: r.GetFingerprint(), Kind: r.GetKind(), Code: r.GetCode(), Until: r.GetUntilUnixMs()})
	}
	return out
}

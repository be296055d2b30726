package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
)

const (
	restMost    = time.Hour
	restMargin  = 200 * time.Millisecond // a rest that ends hardly later than the one told before is not told
	tellFor     = 2 * time.Second
	mostTelling = 256
	maxKey      = 256 // bytes of a key's name
	maxCode     = 128
	mostLimit   = 1 << 20
)

// told is a rest that the others know of.
type told struct {
	end  time.Time
	kind chat.Kind
}

// Rest tells the other servers that a key is not to be used for a while, an hour at most, and why. It does not block; a server that cannot be
// reached within two seconds hears nothing.
func (f *Fleet) Rest(key string, d time.Duration, kind chat.Kind, code string) {
	d = min(d, restMost)
	if d <= 0 || f.peers == nil {
		return
	}
	for _, addr := range f.tell(key, d, kind) {
		select {
		case f.telling <- struct{}{}:
		default:
			f.metrics.restLost.Inc()
			continue
		}
		go func() {
			defer func() { <-f.telling }()
			ctx, cancel := context.WithTimeout(context.Background(), tellFor)
			defer cancel()
			if err := f.peers.Rest(ctx, addr, KeyRest{Key: key, For: d, Kind: kind, Code: clip(code)}); err != nil {
				f.metrics.restLost.Inc()
			}
		}()
	}
}

// tell gives whom to tell of a rest: nobody, if they know of it.
func (f *Fleet) tell(key string, d time.Duration, kind chat.Kind) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if t, ok := f.told[key]; ok && t.kind == kind && now.Add(d).Sub(t.end) < restMargin {
		return nil
	}
	for k, t := range f.told {
		if !now.Before(t.end) {
			delete(f.told, k)
		}
	}
	f.told[key] = told{now.Add(d), kind}
	return slices.Clone(f.view.Servers)
}

// Rested takes another server's word that a key rests. Errors: Invalid.
func (f *Fleet) Rested(r KeyRest) error {
	if err := checkKey(r.Key); err != nil {
		return err
	}
	switch r.Kind {
	case chat.Unauthenticated, chat.Forbidden, chat.RateLimited, chat.Overloaded, chat.Unavailable, chat.Timeout, chat.Billing:
	default:
		return chat.E(chat.Invalid, "fleet.rest", fmt.Errorf("an error of kind %s sends no key to rest", r.Kind))
	}
	if r.For <= 0 {
		return chat.E(chat.Invalid, "fleet.rest", errors.New("the rest has no length"))
	}
	f.onRest(r.Key, min(r.For, restMost), r.Kind, clip(r.Code))
	return nil
}

// check refuses what no server of this program asks.
func (a KeyAsk) check() error {
	if a.Limit <= 0 || a.Limit > mostLimit {
		return chat.E(chat.Invalid, "fleet.keep", fmt.Errorf("a limit of %d: want 1 to %d", a.Limit, mostLimit))
	}
	return checkKey(a.Key)
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return chat.E(chat.Invalid, "fleet.key", fmt.Errorf("a key's name has 1 to %d printable characters without spaces", maxKey))
	}
	return nil
}

// clip makes a provider's code one short word.
func clip(code string) string {
	code = strings.Join(strings.Fields(strings.ToValidUTF8(code, "")), "_")
	return code[:min(len(code), maxCode)]
}

package llm

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
)

// How long a key rests after a failure that is the key's own. Rests grow with every probe that fails, up to the second figure.
const (
	restRate     = time.Second // a rate limit without Retry-After
	restRateMost = 30 * time.Second
	// Refused or out of money: an operator has to act, and it is seen within a minute that one did.
	restRefused     = 20 * time.Second
	restRefusedMost = time.Minute
	// A provider's Retry-After and another server's word are believed up to here.
	restMost = time.Hour
	// provedFor is how long after a success here other servers' word that the key is refused is not believed, if it was wrong before: a server with
	// a wrong clock, or at an address that the provider does not allow, must not take the key from all.
	provedFor = 10 * time.Minute
	// maxForeign bounds the keys that are known by other servers' word.
	maxForeign = 65_536
)

// keyring knows which keys are busy and which rest, within this server. A provider that needs no key has the zero key.
type keyring struct {
	mu      sync.Mutex
	next    int // rotates the start of the search, so that equal keys share the calls
	state   map[string]*keyState
	running map[string]int // by provider
	sweepAt int
}

type keyState struct {
	breaker breaker
	running int
	told    bool      // it rests by another server's word
	proved  time.Time // until when such a word is not believed
	most    int       // calls at once that its provider seems to allow; 0: it refused none for their number
	fine    int       // calls that ended well since most was set, at that limit
}

// tooMany learns from a refused call beside which others run: the provider takes so many at once. To let the key rest would leave it idle.
func (s *keyState) tooMany() { s.most, s.fine = s.running, 0 }

// more lets one call more run at once after as many have ended well as run: the provider may allow more by now.
func (s *keyState) more() {
	if s.most == 0 || s.running+1 < s.most {
		return
	}
	if s.fine++; s.fine >= s.most {
		s.most, s.fine = s.most+1, 0
	}
}

// well opens a key's breaker after a success, and reports whether the key had been refused.
func (s *keyState) well(now time.Time, p pass) (restored bool) {
	before := s.breaker.why.Kind
	opened := s.breaker.well(p)
	if opened && s.told && refusedKey(before) || now.Before(s.proved) {
		s.proved = now.Add(provedFor)
	}
	s.told = s.told && !opened
	return opened && refusedKey(before)
}

// forgettable: nothing is known of the key that matters.
func (s *keyState) forgettable(now time.Time) bool { return s.running == 0 && !now.Before(s.proved) }

func newKeyring() *keyring {
	return &keyring{state: map[string]*keyState{}, running: map[string]int{}, sweepAt: 1024}
}

// digestChars of a key's name are 128 bits: enough that two tenants' keys are never one.
const digestChars = 32

// KeyName names a provider's key among servers: provider + "/" + a digest of the key, in 32 hex digits. It tells nothing of a key that has
// a key's entropy, and is the same on every server and in every release.
func KeyName(provider string, key chat.Secret) string {
	sum := sha256.Sum256([]byte("parley-key\x00" + key.Reveal()))
	var name [64 + digestChars]byte
	b := append(name[:0], provider...)
	b = append(b, '/')
	b = hex.AppendEncode(b, sum[:digestChars/2])
	return string(b)
}

// keyNamed reports whether name has KeyName's form.
func keyNamed(name string) bool {
	provider, digest, _ := strings.Cut(name, "/")
	if provider == "" || len(provider) > 64 || len(digest) != digestChars {
		return false
	}
	for _, c := range []byte(digest) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// candidate is a key of a choice.
type candidate struct {
	name    string
	key     chat.Secret
	running int
}

// lease is a key in use.
type lease struct {
	candidate
	provider string
	pass     pass
	release  func() // of the fleet's hold; nil: none
}

// enter counts a call with a key, unless it rests by now or is at the limit that was learned.
func (r *keyring) enter(provider string, k candidate) (lease, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.sweep(now)
	s := r.state[k.name]
	if s == nil {
		s = &keyState{}
		r.state[k.name] = s
	}
	if s.most > 0 && s.running >= s.most {
		return lease{}, false
	}
	p, ok := s.breaker.enter(now, false)
	if !ok {
		return lease{}, false
	}
	r.next++
	s.running++
	r.running[provider]++
	return lease{candidate: k, provider: provider, pass: p}, true
}

// accepted: the provider took the key, since text came. The key's breaker need not wait for the end of the answer. restored: it had been refused.
func (r *keyring) accepted(l lease) (restored bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state[l.name].well(time.Now(), l.pass)
}

// give ends a call. If the failure calls for it the key rests from now on: rest is how long, and alarm is set if its provider refuses the key for
// another reason than before. restored: it takes it again.
func (r *keyring) give(l lease, failure *chat.Error) (rest time.Duration, alarm, restored bool) {
	if l.release != nil {
		l.release()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, now := r.state[l.name], time.Now()
	s.running--
	if r.running[l.provider]--; r.running[l.provider] == 0 {
		delete(r.running, l.provider)
	}
	b := &s.breaker
	switch {
	case failure != nil && failure.Kind == chat.RateLimited && failure.RetryAfter <= 0 && s.running > 0 && b.trips == 0:
		s.tooMany()
	case failure != nil && (keyFault(failure.Kind) || failure.RetryAfter > 0):
		rest, alarm = b.refused(now, l.pass, failure)
		if refusedKey(failure.Kind) {
			s.told, s.proved = false, time.Time{}
		}
	case answered(failure):
		restored = s.well(now, l.pass)
		s.more()
	}
	b.leave(l.pass)
	if b.trips == 0 && s.forgettable(now) {
		delete(r.state, l.name)
	}
	return rest, alarm, restored
}

// refused makes a key rest. Retry-After is obeyed to the full; of many calls that are refused together the first begins the rest, and
// the others can only prolong it by their Retry-After.
func (b *breaker) refused(now time.Time, p pass, failure *chat.Error) (rest time.Duration, alarm bool) {
	first, most := restRate, restRateMost
	refused := refusedKey(failure.Kind)
	if refused {
		first, most = restRefused, restRefusedMost
	}
	before := *b
	if b.trips == 0 || b.probedBy(p) || refused && b.why.Kind != failure.Kind {
		b.shut(now, first, most, failure)
	}
	b.keep(now.Add(min(failure.RetryAfter, restMost)))
	alarm = refused && before.why.Kind != failure.Kind
	if !alarm && b.until.Sub(before.until) < time.Second { // nothing new worth telling
		return 0, false
	}
	return b.until.Sub(now), alarm
}

// keyFault: another key of the same provider may do better.
func keyFault(k chat.Kind) bool { return refusedKey(k) || k == chat.RateLimited }

// refusedKey: the provider does not take the key until somebody acts.
func refusedKey(k chat.Kind) bool { return k == chat.Unauthenticated || k == chat.Billing }

// rest is another server's word that a key rests.
func (r *keyring) rest(name string, d time.Duration, kind chat.Kind, code string) {
	if d <= 0 || !keyNamed(name) || !keyFault(kind) && !kind.Retryable() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.sweep(now)
	s := r.state[name]
	if s == nil {
		if len(r.state) >= maxForeign {
			return
		}
		s = &keyState{}
		r.state[name] = s
	}
	b, until := &s.breaker, now.Add(min(d, restMost))
	if !until.After(b.until) || refusedKey(kind) && now.Before(s.proved) {
		return
	}
	s.told = true
	why := foreign(&chat.Error{Kind: kind, Op: opComplete, Code: code})
	*b = breaker{trips: max(b.trips, 1), until: until, round: b.round + 1, why: *why}
}

// rests lists the keys that are not to be used now.
func (r *keyring) rests(provider string, keys []chat.Secret) (list []chat.KeyRest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if s := r.state[KeyName(provider, key)]; s != nil && !s.breaker.admits(time.Now()) {
			b := &s.breaker
			list = append(list, chat.KeyRest{Fingerprint: key.Fingerprint(), Kind: b.why.Kind.String(), Code: b.why.Code, Until: b.until.UnixMilli()})
		}
	}
	return list
}

// refusedFor is how long after its rest a key that nobody tries again counts as refused.
const refusedFor = 10 * time.Minute

// refusals counts the keys that their provider refused for this reason when they were last tried. Unlike a rest it lasts until a call succeeds, so
// that it is seen between two probes, too.
func (r *keyring) refusals(provider string, keys []chat.Secret, why chat.Kind, now time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if s := r.state[KeyName(provider, key)]; s != nil && s.breaker.trips > 0 && s.breaker.why.Kind == why && now.Before(s.breaker.until.Add(refusedFor)) {
			n++
		}
	}
	return n
}

func (r *keyring) inFlight(provider string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[provider]
}

// sweep forgets keys that rested and were never asked for again: tenants' keys come and go.
func (r *keyring) sweep(now time.Time) {
	if len(r.state) < r.sweepAt {
		return
	}
	for name, s := range r.state {
		if s.forgettable(now) && !now.Before(s.breaker.until) {
			delete(r.state, name)
		}
	}
	r.sweepAt = max(1024, 2*len(r.state))
}

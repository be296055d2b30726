package nacos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const (
	fastEvery = 500 * time.Millisecond // while the SDK may not listen yet, or Nacos does not answer
	fastFor   = 6 * time.Second        // the SDK's tick of 5 s, and a bit
	slowEvery = 15 * time.Second       // a lost push is made good by then, however many documents are watched
	share     = 250 * time.Millisecond // of one document: a process reads no more than four documents a second for good
)

// Watch implements liveconfig.Source. Each state comes from a read that began after the push was seen, so pushes that overtake each
// other cannot leave an old form in force.
func (s *Source) Watch(ctx context.Context, name string, fn func([]byte, bool)) error {
	nudge, cancel := s.listeners.add(name)
	defer cancel()
	var firstAnswer time.Time
	settled := false
	for {
		content, exists, err := s.Get(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := fastEvery
		if err == nil {
			fn(content, exists)
			if firstAnswer.IsZero() {
				firstAnswer = time.Now()
			}
			if time.Since(firstAnswer) > fastFor {
				if !settled {
					settled = true
					s.listeners.again(name)
				}
				wait = s.listeners.every()
				wait += rand.N(wait / 5) // spread, so that many watches do not read at once
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-nudge:
		case <-time.After(wait):
		}
	}
}

// listeners share the SDK's one listener per document between watches.
type listeners struct {
	source *Source
	mu     sync.Mutex
	byName map[string]map[chan struct{}]bool
}

// add returns a channel that gets a value when the document was pushed, at once or soon after.
func (l *listeners) add(name string) (<-chan struct{}, func()) {
	nudge := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName == nil {
		l.byName = map[string]map[chan struct{}]bool{}
	}
	if l.byName[name] == nil {
		l.byName[name] = map[chan struct{}]bool{}
		l.listen(name)
	}
	l.byName[name][nudge] = true
	return nudge, func() { l.remove(name, nudge) }
}

// listen asks the SDK for pushes. It fails for an empty name alone; then the reads fail too, and say so.
func (l *listeners) listen(name string) {
	_ = l.source.client.ListenConfig(vo.ConfigParam{DataId: name, Group: l.source.group,
		OnChange: func(_, _, _, _ string) { l.push(name) }})
}

// again listens anew: the SDK forgets for 5 minutes to tell Nacos of a listener that came while it told of another, as those of a process's
// start do.
func (l *listeners) again(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName[name] != nil {
		_ = l.source.client.CancelListenConfig(vo.ConfigParam{DataId: name, Group: l.source.group})
		l.listen(name)
	}
}

// every is how often a document is read besides: within a second where few are watched, as servers do, because no push is certain.
func (l *listeners) every() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(max(fastEvery, time.Duration(len(l.byName))*share), slowEvery)
}

func (l *listeners) remove(name string, nudge chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byName[name], nudge)
	if len(l.byName[name]) == 0 {
		delete(l.byName, name)
		_ = l.source.client.CancelListenConfig(vo.ConfigParam{DataId: name, Group: l.source.group})
	}
}

func (l *listeners) push(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for nudge := range l.byName[name] {
		select {
		case nudge <- struct{}{}:
		default:
		}
	}
}

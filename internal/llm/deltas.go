package llm

import (
	"strings"
	"time"

	"parley/internal/chat"
)

// defaultGap is the least time between two deltas when the request names none: fast enough to look fluent, slow enough to spare the wire.
const defaultGap = 20 * time.Millisecond

// deltas passes text on as Delta events: the first at once, then what gathered, at most once per gap. Text waits for the next piece or
// for the end, not for a timer: silence within an answer is rare, and every stream would pay for the timer.
type deltas struct {
	emit    func(chat.Event) error
	on      bool
	gap     time.Duration
	last    time.Time
	waiting strings.Builder
	visible bool
}

func (d *deltas) add(text string) error {
	if !d.on || text == "" {
		return nil
	}
	d.waiting.WriteString(text)
	if d.visible && time.Since(d.last) < d.gap {
		return nil
	}
	return d.flush()
}

func (d *deltas) flush() error {
	if d.waiting.Len() == 0 {
		return nil
	}
	text := d.waiting.String()
	d.waiting.Reset()
	d.visible, d.last = true, time.Now()
	return d.emit(chat.Event{Kind: chat.Delta, Text: text})
}

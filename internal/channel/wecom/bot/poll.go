package bot

import (
	"context"
	"strconv"
	"time"

	"parley/internal/chat"
)

// How an answer reached the person. Of who fetches it and who sends it, and on whichever replica, the first to write one of these under "by" decides.
const (
	byPoll   = "poll"   // the platform fetched it
	bySend   = "send"   // it goes out by response_url
	byNobody = "closed" // the stream was finished before there was an answer: it goes out by response_url, too
)

const (
	// pollWithin bounds what is asked of the store for one poll; the platform gives it five seconds.
	pollWithin = 2 * time.Second
	// keepFor outlives every use of a response_url.
	keepFor = 2 * time.Hour
)

// poll answers the platform's question how a stream goes on. When the store does not answer the stream goes on, too: it is asked again in a moment.
func (c *Callback) poll(ctx context.Context, in *incoming) stream {
	ctx, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	s, err := c.progress(ctx, in)
	if err != nil {
		c.log.Warn("wecombot: how a stream goes on cannot be told", "err", err)
		return streamOf(in.Stream.ID, c.words.thinking, false)
	}
	return s
}

func (c *Callback) progress(ctx context.Context, in *incoming) (s stream, err error) {
	id := in.Stream.ID
	final, err := c.memo.Recall(ctx, c.finalKey(id))
	if err != nil {
		return s, err
	}
	if final != "" {
		return c.finish(ctx, id, final)
	}
	began, err := c.began(ctx, id)
	if err != nil {
		return s, err
	}
	l, _, err := c.live.ReadLive(ctx, c.conversation(in))
	if err != nil {
		return s, err
	}
	soFar := c.soFar(id, l)
	if !c.over(began) {
		return streamOf(id, soFar, false), nil
	}
	by, err := c.memo.RememberFirst(ctx, c.key(id, "by"), byNobody, keepFor)
	switch {
	case err != nil:
		return s, err
	case by == bySend:
		return streamOf(id, c.words.moved, true), nil
	case by == byPoll: // the answer came, and was fetched, in this very moment
		return c.again(ctx, id)
	}
	fits, _ := beginning(soFar, c.words.closed)
	if soFar == c.words.thinking || soFar == c.words.waiting {
		fits = c.words.closed
	} else if fits == soFar {
		fits += "\n\n" + c.words.closed
	}
	return streamOf(id, fits, true), nil
}

// finish gives the answer to the platform, unless it goes another way.
func (c *Callback) finish(ctx context.Context, id, final string) (s stream, err error) {
	by, err := c.memo.RememberFirst(ctx, c.key(id, "by"), byPoll, keepFor)
	switch {
	case err != nil:
		return s, err
	case by == byPoll:
		return streamOf(id, final, true), nil
	case by == bySend:
		return streamOf(id, c.words.moved, true), nil
	}
	return streamOf(id, c.words.closed, true), nil
}

func (c *Callback) again(ctx context.Context, id string) (s stream, err error) {
	final, err := c.memo.Recall(ctx, c.finalKey(id))
	if err != nil || final == "" {
		return streamOf(id, c.words.moved, true), err
	}
	return streamOf(id, final, true), nil
}

// began is when the platform asked first, which is about when the person asked.
func (c *Callback) began(ctx context.Context, id string) (time.Time, error) {
	now := strconv.FormatInt(c.now().UnixMilli(), 10)
	first, err := c.memo.RememberFirst(ctx, c.key(id, "t"), now, keepFor)
	if err != nil {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(first, 10, 64)
	return time.UnixMilli(ms), err
}

// soFar is what there is to see of a stream before its answer is complete.
func (c *Callback) soFar(id string, l chat.Live) string {
	switch {
	case l.Message == "":
		return c.words.thinking
	case c.streamID(l.Message) != id:
		return c.words.waiting
	}
	if text := shown(clean(l.Text), true); text != "" {
		return text
	}
	return c.words.thinking
}

func (c *Callback) finalKey(id string) string { return c.key(id, "final") }

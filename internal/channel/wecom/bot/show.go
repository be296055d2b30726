package bot

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// streamEvery is the least time between two frames of one stream.
	streamEvery = 700 * time.Millisecond
	// showWithin and sendWithin bound what the replica with the connection is asked.
	showWithin = 3 * time.Second
	sendWithin = 8 * time.Second
	// inLine is how long an answer waits for its place in the chat's budget before its turn tries again.
	inLine = 5 * time.Second
)

// A chat takes 30 messages a minute and 1000 an hour of a bot, answers and others together (document 101463). Whether each frame of a stream counts is
// not said; here it does. Updates leave a part of the budget to answers: with 14 + 15 + 1 a minute never sees more than 30.
const (
	forUpdates = 10
	forAnswers = 14
	spendEvery = 4 * time.Second
)

// Live implements channel.Channel.
func (s *Stream) Live() time.Duration { return streamEvery }

// Pace implements channel.Channel: the budget is a chat's, not a conversation's, and Send keeps it.
func (s *Stream) Pace() chat.Pace { return chat.Pace{} }

// Resendable implements channel.Channel: see PartResendable.
func (s *Stream) Resendable(time.Duration) bool { return false }

// PartResendable implements channel.PartResender: a stream's frame says all that it replaces, and what else it may have become is decided once.
func (s *Stream) PartResendable(raw chat.Part, age time.Duration) bool {
	p, err := decodePart(raw)
	return err == nil && !p.More && age < keepFor/2
}

// spend takes a place in a chat's budget, and waits for it for most at most.
func (s *Stream) spend(ctx context.Context, to address, burst int, most time.Duration) error {
	const op = "wecombot.budget"
	wait, ok, err := s.limits.Take(ctx, s.key("c", digest(to.Chat)), chat.Pace{Burst: burst, Every: spendEvery}, most)
	if err != nil { // Redis is away: the platform counts, too
		return nil //nolint:nilerr // a budget that cannot be asked holds nothing up
	}
	if !ok {
		e := chat.E(chat.Overloaded, op, errors.New("the chat's messages of this minute are spent"))
		e.Code, e.RetryAfter = "budget", min(wait, inLine)
		return e
	}
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return chat.E(chat.KindOf(ctx.Err()), op, ctx.Err())
	}
}

// Show implements channel.Streamer.
func (s *Stream) Show(ctx context.Context, m chat.Message, partial string) error {
	to, err := decodeAddress(m)
	if err != nil {
		return err
	}
	content := shown(clean(partial), true)
	if content == "" || s.over(to.began()) {
		return nil
	}
	if err := s.spend(ctx, to, forUpdates, 0); err != nil {
		return err
	}
	return s.frame(ctx, cmdRespond, to.Req, streamOf(to.Stream, content, false), showWithin)
}

// frame has a frame sent by the replica that holds the connection.
func (s *Stream) frame(ctx context.Context, cmd, req string, body any, within time.Duration) error {
	op := "wecombot." + strings.TrimPrefix(cmd, "aibot_")
	raw, err := encode(body)
	if err != nil {
		return chat.E(chat.Internal, op, err)
	}
	payload, err := encode(request{cmd, req, raw})
	if err != nil {
		return chat.E(chat.Internal, op, err)
	}
	answer, err := s.relay.Ask(ctx, s.role(), payload, within)
	if err != nil {
		return err
	}
	var r response
	if err := json.Unmarshal(answer, &r); err != nil {
		return channel.Lost(op, errors.New("the replica with the connection gave no answer that is one"), true)
	}
	if r.Lost {
		return channel.Lost(op, errors.New("the platform did not answer"), r.Maybe)
	}
	return refusal(op, r.Code, r.Message)
}

// Parts implements channel.Channel: the stream, and what does not fit there as messages of their own.
func (s *Stream) Parts(_ chat.Message, text string, _ int64) ([]chat.Part, error) {
	text, err := s.readable(text)
	if err != nil {
		return nil, err
	}
	var parts []chat.Part
	for i, piece := range channel.Split(text, maxText) {
		p, err := encodePart(part{More: i > 0, Text: piece})
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// Send implements channel.Channel. The stream's last frame may be sent again and again; when the platform does not let the stream be changed any more,
// its text goes out as a message, once.
func (s *Stream) Send(ctx context.Context, m chat.Message, raw chat.Part) error {
	to, err := decodeAddress(m)
	if err != nil {
		return err
	}
	p, err := decodePart(raw)
	if err != nil {
		return err
	}
	if err := s.spend(ctx, to, forAnswers, inLine); err != nil {
		return err
	}
	if p.More {
		return s.push(ctx, to, p.Text)
	}
	return s.finish(ctx, to, p.Text)
}

func (s *Stream) push(ctx context.Context, to address, content string) error {
	kind := 1
	if to.Group {
		kind = 2
	}
	return s.frame(ctx, cmdSend, newReq(cmdSend), push{to.Chat, kind, markdownOf(content)}, sendWithin)
}

// finish ends a stream with its text, or sends that as a message. What is kept of the tries tells a stream that nobody can change, which an earlier try
// may have finished, from one that certainly is not.
func (s *Stream) finish(ctx context.Context, to address, content string) error {
	before, err := s.before(ctx, to.Stream)
	if err != nil || before == taken {
		return err
	}
	changeable := before != pushed && !s.over(to.began())
	if changeable {
		err = s.frame(ctx, cmdRespond, to.Req, streamOf(to.Stream, content, true), sendWithin)
		changeable = !unchangeable(err)
	}
	switch {
	case before == pushed, before == tried && (!changeable || forGood(err)):
		s.metrics.ambiguous.Inc()
		s.log.Warn("wecombot: an answer may or may not have been shown; it is not sent again")
		return nil
	case !changeable:
		if err := s.memo.Remember(ctx, s.key(to.Stream, "sent"), pushed, keepFor); err != nil {
			return err
		}
		err = s.push(ctx, to, content)
	}
	s.after(ctx, to.Stream, before, err)
	return err
}

// unchangeable says that the platform refuses a stream's frame for good, whatever it holds.
func unchangeable(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && (e.Code == codeText(codeStrangeReq) || e.Code == codeText(codeExpired))
}

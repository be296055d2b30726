package kf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// markWithin leaves room for the promise to answer 503 within 2 s when nothing can be kept.
const markWithin = 1500 * time.Millisecond

// maxToken bounds sync_msg's token; the platform's have at most 128 bytes.
const maxToken = 512

// event is what a callback holds: that an account has something to fetch.
type event struct {
	CreatedAt int64  `xml:"CreateTime"`
	Type      string `xml:"MsgType"`
	Event     string `xml:"Event"`
	Token     string `xml:"Token"`
	OpenKFID  string `xml:"OpenKfId"`
}

// Challenge implements channel.Callback.
func (k *KF) Challenge(_ context.Context, d channel.Delivery) ([]byte, error) {
	return k.envelope.Challenge(d)
}

// Open implements channel.Callback. It returns no messages: they are fetched later. It returns once it is kept that they must be, so that they
// are fetched also if this process dies the next moment; if that cannot be kept, it fails and the platform delivers again.
func (k *KF) Open(ctx context.Context, d channel.Delivery) (channel.Opened, error) {
	const op = "wecomkf.open"
	var outer wecom.Callback
	if err := wecom.DecodeXML(d.Body, &outer); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("body: %w", err))
	}
	plain, err := k.envelope.OpenCallback(d, outer.Encrypt)
	if err != nil {
		return channel.Opened{}, err
	}
	var in event
	if err := wecom.DecodeXML(plain, &in); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("event: %w", err))
	}
	switch {
	case in.Type == "":
		return channel.Opened{}, chat.E(chat.Invalid, op, errors.New("MsgType is missing"))
	case in.Type != "event" || in.Event != "kf_msg_or_event":
		return channel.Opened{}, nil // another product's
	case !isID(in.OpenKFID):
		return channel.Opened{}, chat.E(chat.Invalid, op, errors.New("OpenKfId is missing or no id"))
	case len(in.Token) > maxToken:
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("Token has %d bytes; at most %d", len(in.Token), maxToken))
	case !k.serves(in.OpenKFID):
		return channel.Opened{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, markWithin)
	defer cancel()
	at := d.Now
	if in.CreatedAt > 0 {
		at = time.Unix(in.CreatedAt, 0)
	}
	if err := k.ring(ctx, in.OpenKFID, in.Token, at); err != nil {
		return channel.Opened{}, chat.E(chat.Unavailable, op, err)
	}
	select {
	case k.rung <- in.OpenKFID:
	default: // so many at once: who leads finds the mark
	}
	return channel.Opened{}, nil
}

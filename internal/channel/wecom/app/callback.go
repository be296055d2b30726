package app

import (
	"context"
	"fmt"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// Challenge implements channel.Callback.
func (a *App) Challenge(_ context.Context, d channel.Delivery) ([]byte, error) {
	return a.envelope.Challenge(d)
}

// Open implements channel.Callback.
func (a *App) Open(_ context.Context, d channel.Delivery) (channel.Opened, error) {
	const op = "wecom.open"
	var outer wecom.Callback
	if err := wecom.DecodeXML(d.Body, &outer); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("body: %w", err))
	}
	plain, err := a.envelope.OpenCallback(d, outer.Encrypt)
	if err != nil {
		return channel.Opened{}, err
	}
	var in incoming
	if err := wecom.DecodeXML(plain, &in); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("message: %w", err))
	}
	m, ok, err := a.message(in)
	if err != nil || !ok {
		return channel.Opened{}, err
	}
	return channel.Opened{Messages: []chat.Message{m}}, nil
}

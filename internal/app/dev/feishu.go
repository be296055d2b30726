package dev

import (
	"context"
	"strings"

	"parley/internal/sim/feishu"
)

// FeishuPhone is the phone of a simulated Feishu's members, in the single chat with an application's bot. The simulator's Options.OnShown must be
// [Page.ShownByFeishu] for the device's name.
func FeishuPhone(sim *feishu.Sim, app string) Phone { return feishuPhone{sim, app} }

// ShownByFeishu makes the simulator's OnShown.
func (p *Page) ShownByFeishu(device string) func(feishu.Shown) {
	return func(s feishu.Shown) {
		user, single := strings.CutPrefix(s.Chat, feishu.Message{}.ChatOf())
		if !single {
			return // no phone shows groups
		}
		way := "im/v1/messages/reply"
		if s.Card != "" {
			way = "cardkit/v1/cards"
		}
		p.Shown(device, Shown{User: user, Text: s.Text, Way: way, Markdown: s.Type != "text", Card: s.ID, Part: s.Streaming})
	}
}

type feishuPhone struct {
	sim *feishu.Sim
	app string
}

func (f feishuPhone) Say(ctx context.Context, user, text string) (Delivery, error) {
	posted, err := f.sim.Say(ctx, f.app, user, text)
	out := Delivery{Tries: len(posted.Tries)}
	if out.Tries > 0 {
		last := posted.Tries[out.Tries-1]
		out.URL, out.Status, out.Took = last.URL, last.Status, last.Took
	}
	return out, err
}

package dev

import (
	"context"
	"errors"

	"parley/internal/sim/dingtalk"
)

// DingTalkPhone is the phone of a simulated DingTalk's members, in the single chat with an application's robot. The simulator's Options.OnShown must
// be [Page.ShownByDingTalk] for the device's name.
func DingTalkPhone(sim *dingtalk.Sim, app string) Phone { return dingTalkPhone{sim, app} }

// ShownByDingTalk makes the simulator's OnShown.
func (p *Page) ShownByDingTalk(device string) func(dingtalk.Shown) {
	ways := map[string]string{dingtalk.WayWebhook: "sessionWebhook", dingtalk.WayRobot: "oToMessages/batchSend", dingtalk.WayCard: "card/streaming"}
	return func(s dingtalk.Shown) {
		p.Shown(device, Shown{User: s.Chat, Text: s.Content, Way: ways[s.Way], Markdown: s.Type != "text", Card: s.Card, Part: !s.Whole()})
	}
}

type dingTalkPhone struct {
	sim *dingtalk.Sim
	app string
}

func (d dingTalkPhone) Say(ctx context.Context, user, text string) (Delivery, error) {
	posted, err := d.sim.Say(ctx, d.app, user, text)
	out := Delivery{Tries: len(posted.Tries)}
	if out.Tries > 0 {
		last := posted.Tries[out.Tries-1]
		out.URL, out.Status, out.Took = last.URL, last.Status, last.Took
	}
	if err == nil && !posted.Acked {
		err = errors.New("DingTalk gave up: the callback was not acknowledged")
	}
	return out, err
}

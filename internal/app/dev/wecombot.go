package dev

import (
	"context"

	"parley/internal/sim/wecom/bot"
)

// WeComBotPhone is the phone of a simulated WeCom's members, in the single chat with an AI bot. callback is where the bot's messages are posted to.
// The simulator's Options.OnShown must be [Page.ShownByWeComBot] for the device's name.
func WeComBotPhone(sim *bot.Sim, id, callback string) Phone { return wecomBotPhone{sim, id, callback} }

// ShownByWeComBot makes the simulator's OnShown.
func (p *Page) ShownByWeComBot(device string) func(bot.Shown) {
	return func(s bot.Shown) {
		shown := Shown{User: s.User, Text: s.Text, Markdown: true, Way: "stream", Card: s.Of, Part: !s.Finished}
		if s.Extra {
			shown.Way, shown.Card, shown.Part = "response_url", "", false
			if s.Of == "" {
				shown.Way = "enter_chat" // in the answer to the event
			}
		}
		p.Shown(device, shown)
	}
}

type wecomBotPhone struct {
	sim          *bot.Sim
	id, callback string
}

func (w wecomBotPhone) Say(ctx context.Context, user, text string) (Delivery, error) {
	send := func() (bot.Posted, error) { return w.sim.Say(ctx, w.id, user, text) }
	if text == "" {
		send = func() (bot.Posted, error) { return w.sim.Enter(ctx, w.id, user) }
	}
	posted, err := send()
	d := Delivery{URL: w.callback, Tries: posted.Tries, Took: posted.Took}
	if posted.Acked {
		d.Status = 200 // the platform takes nothing else for it
	}
	return d, err
}

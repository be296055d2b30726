package dev

import (
	"context"

	"parley/internal/sim/wecom"
	"parley/internal/sim/wecom/kf"
)

// WeComKFPhone is the phone of people outside who write to an account of a simulated WeCom's customer service. The simulator's Options.OnShown must
// be [Page.ShownByWeComKF] for the device's name.
func WeComKFPhone(sim *kf.Sim, account string) Phone { return wecomKFPhone{sim, account} }

// ShownByWeComKF makes the simulator's OnShown.
func (p *Page) ShownByWeComKF(device string) func(kf.Sent) {
	return func(s kf.Sent) {
		way := "kf/send_msg"
		if s.Welcome {
			way = "kf/send_msg_on_event"
		}
		p.Shown(device, Shown{User: s.User, Text: s.Content, Way: way})
	}
}

type wecomKFPhone struct {
	sim     *kf.Sim
	account string
}

func (w wecomKFPhone) Say(ctx context.Context, user, text string) (Delivery, error) {
	send := func() (kf.Posted, error) { return w.sim.Say(ctx, w.account, user, text) }
	if text == "" {
		send = func() (kf.Posted, error) { return w.sim.Enter(ctx, w.account, user) }
	}
	posted, err := send()
	return wecomDelivery(posted.Tries), err
}

// wecomDelivery is what became of a sealed message.
func wecomDelivery(tries []wecom.Try) Delivery {
	if len(tries) == 0 {
		return Delivery{}
	}
	last := tries[len(tries)-1]
	return Delivery{URL: last.URL, Status: last.Status, Tries: len(tries), Took: last.Took}
}

package dev

import (
	"context"

	"parley/internal/sim/wecom"
)

// WeComPhone is the phone of a simulated WeCom's members in one application. The simulator's Options.OnShown must be
// [Page.ShownByWeCom] for the device's name.
func WeComPhone(sim *wecom.Sim, ref wecom.Ref) Phone { return wecomPhone{sim, ref} }

// ShownByWeCom makes the simulator's OnShown.
func (p *Page) ShownByWeCom(device string) func(wecom.Sent) {
	return func(s wecom.Sent) { p.Shown(device, Shown{User: s.User, Text: s.Content, Way: "message/send"}) }
}

type wecomPhone struct {
	sim *wecom.Sim
	ref wecom.Ref
}

func (w wecomPhone) Say(ctx context.Context, user, text string) (Delivery, error) {
	send := func() (wecom.Posted, error) { return w.sim.Say(ctx, w.ref, user, text) }
	if text == "" {
		send = func() (wecom.Posted, error) { return w.sim.Enter(ctx, w.ref, user) }
	}
	posted, err := send()
	return wecomDelivery(posted.Tries), err
}

package app

import (
	"context"
	"net"
	"net/http"
	"strings"

	"parley/internal/app/dev"
	"parley/internal/config"
	"parley/internal/sim/dingtalk"
	"parley/internal/sim/wecom"
)

// devPlatform is a chat platform of `parley dev`, simulated in this process, with the embedded tenant's channels on it.
type devPlatform struct {
	name      string
	at        net.Listener
	handler   http.Handler
	configure func(p *config.Platforms, origin string)
	channels  []string                   // the entries of the tenant's document
	connect   func(p *devPlatform) error // makes the simulator, and puts its phones into the page
}

func (p *devPlatform) origin() string { return "http://" + p.at.Addr().String() }

// openPlatforms finds the platforms their addresses, which the client service's configuration names.
func (d *devRun) openPlatforms(ctx context.Context) (err error) {
	d.platforms = []*devPlatform{
		{
			name: "WeCom", connect: d.connectWeCom,
			configure: func(p *config.Platforms, origin string) { p.WeCom = origin },
			channels: []string{
				"{name: app, kind: wecom, corp_id: wwdemo0000000000, agent_id: 1000002, secret: env:DEMO_WECOM_SECRET, token: env:DEMO_WECOM_TOKEN, aes_key: env:DEMO_WECOM_AES}",
			},
		},
		{
			name: "DingTalk", connect: d.connectDingTalk,
			configure: func(p *config.Platforms, origin string) {
				p.DingTalk, p.DingTalkWebhooks, p.DingTalkFiles = origin, []string{origin}, []string{origin}
			},
			channels: []string{
				"{name: ding, kind: dingtalk, mode: callback, app_key: dingdemo, app_secret: env:DEMO_DING_SECRET, robot_code: dingdemo, card_template: demo.schema}",
			},
		},
	}
	for _, p := range d.platforms {
		if p.at, err = listen(ctx, "127.0.0.1:0", "the simulated "+p.name); err != nil {
			return err
		}
	}
	return nil
}

// channelLines are the embedded tenant's channels on the platforms.
func (d *devRun) channelLines() string {
	var lines strings.Builder
	for _, p := range d.platforms {
		for _, c := range p.channels {
			lines.WriteString("  - " + c + "\n")
		}
	}
	return lines.String()
}

// connectPhones makes the simulated platforms behind the page's phones.
func (d *devRun) connectPhones() error {
	for _, p := range d.platforms {
		if err := p.connect(p); err != nil {
			return err
		}
	}
	return nil
}

// callbacks is where a platform posts to for one of the embedded tenant's channels.
func (d *devRun) callbacks(channel string) []string {
	return []string{"http://" + d.page.Addr().String() + "/callback/" + devTenant + "/" + channel}
}

func (d *devRun) connectWeCom(p *devPlatform) error {
	ref := wecom.Ref{CorpID: "wwdemo0000000000", AgentID: 1000002}
	sim := wecom.New(wecom.Options{OnShown: d.pages.ShownByWeCom("app")})
	p.handler = sim.Handler()
	d.pages.Connect(dev.Device{Name: "app", Kind: "wecom", Most: 2048, Opens: true, Phone: dev.WeComPhone(sim, ref)})
	return sim.AddApp(wecom.App{
		Ref: ref, Secret: devSecrets["DEMO_WECOM_SECRET"], Token: devSecrets["DEMO_WECOM_TOKEN"], AESKey: devSecrets["DEMO_WECOM_AES"],
		Callbacks: d.callbacks("app"),
	})
}

func (d *devRun) connectDingTalk(p *devPlatform) error {
	sim := dingtalk.New(dingtalk.Options{OnShown: d.pages.ShownByDingTalk("ding")})
	sim.SetOrigin(p.origin())
	p.handler = sim.Handler()
	d.pages.Connect(dev.Device{Name: "ding", Kind: "dingtalk", Most: 8192, Phone: dev.DingTalkPhone(sim, "dingdemo")})
	return sim.AddApp(dingtalk.App{Key: "dingdemo", Secret: devSecrets["DEMO_DING_SECRET"], Callbacks: d.callbacks("ding"), Template: "demo.schema"})
}

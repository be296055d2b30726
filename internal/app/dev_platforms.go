package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"parley/internal/app/dev"
	"parley/internal/config"
	"parley/internal/sim/dingtalk"
	"parley/internal/sim/feishu"
	"parley/internal/sim/wecom"
	"parley/internal/sim/wecom/bot"
	"parley/internal/sim/wecom/kf"
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
				"{name: bot, kind: wecombot, mode: callback, token: env:DEMO_BOT_TOKEN, aes_key: env:DEMO_BOT_AES}",
				"{name: kf, kind: wecomkf, corp_id: wwdemo0000000000, secret: env:DEMO_KF_SECRET, token: env:DEMO_KF_TOKEN, aes_key: env:DEMO_KF_AES}",
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
		{
			name: "Feishu", connect: d.connectFeishu,
			configure: func(p *config.Platforms, origin string) { p.Feishu = origin },
			channels: []string{
				"{name: lark, kind: feishu, mode: callback, app_id: cli_demo, app_secret: env:DEMO_LARK_SECRET, encrypt_key: env:DEMO_LARK_KEY, verification_token: env:DEMO_LARK_TOKEN}",
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
	const corp, account = "wwdemo0000000000", "wkdemo"
	app, service := wecom.Ref{CorpID: corp, AgentID: 1000002}, wecom.Ref{CorpID: corp, AgentID: 1000003}
	sim := wecom.New(wecom.Options{OnShown: d.pages.ShownByWeCom("app")})
	desk := kf.New(sim, kf.Options{OnShown: d.pages.ShownByWeComKF("kf")})
	desk.AddAccount(kf.Account{Ref: service, OpenKFID: account, Name: "示例公司客服"})
	bots := bot.New(bot.Options{OnShown: d.pages.ShownByWeComBot("bot"), PollEvery: 300 * time.Millisecond}) // simulated answers are short
	bots.At(p.origin())
	mux := http.NewServeMux()
	mux.Handle("/", desk.Handler())
	mux.Handle("/cgi-bin/aibot/", bots.Handler())
	mux.Handle("/aibot/", bots.Handler())
	p.handler = mux
	d.pages.Connect(
		dev.Device{Name: "app", Kind: "wecom", Most: 2048, Opens: true, Phone: dev.WeComPhone(sim, app)},
		dev.Device{Name: "bot", Kind: "wecombot", Most: 8192, Opens: true, Phone: dev.WeComBotPhone(bots, "aib-demo", d.callbacks("bot")[0])},
		dev.Device{Name: "kf", Kind: "wecomkf", Most: 2048, Opens: true, Phone: dev.WeComKFPhone(desk, account)},
	)
	return errors.Join(
		bots.AddBot(bot.Bot{ID: "aib-demo", Name: "Parley", Token: devSecrets["DEMO_BOT_TOKEN"], AESKey: devSecrets["DEMO_BOT_AES"], Callbacks: d.callbacks("bot")}),
		sim.AddApp(wecom.App{
			Ref: app, Secret: devSecrets["DEMO_WECOM_SECRET"], Token: devSecrets["DEMO_WECOM_TOKEN"], AESKey: devSecrets["DEMO_WECOM_AES"],
			Callbacks: d.callbacks("app"),
		}),
		sim.AddApp(wecom.App{
			Ref: service, Secret: devSecrets["DEMO_KF_SECRET"], Token: devSecrets["DEMO_KF_TOKEN"], AESKey: devSecrets["DEMO_KF_AES"],
			Callbacks: d.callbacks("kf"),
		}),
	)
}

func (d *devRun) connectDingTalk(p *devPlatform) error {
	sim := dingtalk.New(dingtalk.Options{OnShown: d.pages.ShownByDingTalk("ding")})
	sim.SetOrigin(p.origin())
	p.handler = sim.Handler()
	d.pages.Connect(dev.Device{Name: "ding", Kind: "dingtalk", Most: 8192, Phone: dev.DingTalkPhone(sim, "dingdemo")})
	return sim.AddApp(dingtalk.App{Key: "dingdemo", Secret: devSecrets["DEMO_DING_SECRET"], Callbacks: d.callbacks("ding"), Template: "demo.schema"})
}

func (d *devRun) connectFeishu(p *devPlatform) error {
	sim := feishu.New(feishu.Options{OnShown: d.pages.ShownByFeishu("lark")})
	p.handler = sim.Handler()
	d.pages.Connect(dev.Device{Name: "lark", Kind: "feishu", Most: 8192, Phone: dev.FeishuPhone(sim, "cli_demo")})
	return sim.AddApp(feishu.App{
		AppID: "cli_demo", AppSecret: devSecrets["DEMO_LARK_SECRET"], EncryptKey: devSecrets["DEMO_LARK_KEY"], VerificationToken: devSecrets["DEMO_LARK_TOKEN"],
		Callbacks: d.callbacks("lark"),
	})
}

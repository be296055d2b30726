// Package all is the one list of the channels that Parley speaks. A new platform adds a line here.
package all

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/internal/channel"
	"parley/internal/channel/dingtalk"
	"parley/internal/channel/feishu"
	"parley/internal/channel/openai"
	"parley/internal/channel/web"
	"parley/internal/channel/wecom/app"
	"parley/internal/channel/wecom/bot"
	"parley/internal/channel/wecom/kf"
	"parley/internal/chat"
)

type constructor func(channel.Settings, channel.Deps) (channel.Channel, error)

func constructors() map[string]constructor {
	return map[string]constructor{
		dingtalk.Kind: dingtalk.New,
		feishu.Kind:   feishu.New,
		kf.Kind:       func(s channel.Settings, d channel.Deps) (channel.Channel, error) { return kf.New(s, d) },
		bot.Kind:      bot.New,
		app.Kind:      func(s channel.Settings, d channel.Deps) (channel.Channel, error) { return app.New(s, d) },
		openai.Kind:   func(s channel.Settings, d channel.Deps) (channel.Channel, error) { return openai.New(s, d), nil },
		"web":         func(s channel.Settings, d channel.Deps) (channel.Channel, error) { return web.New(s, d), nil },
	}
}

// Kinds lists the known words under `kind:`, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(constructors())) }

// New makes a channel of one kind from its settings. What is wrong with single fields goes to s; with an error (of kind Invalid) there is no
// channel: chat.Faults below it are those of fields that it could not be made of, else it concerns the channel as a whole.
func New(kind string, s channel.Settings, d channel.Deps) (channel.Channel, error) {
	construct, ok := constructors()[kind]
	if !ok {
		return nil, chat.E(chat.Invalid, "channel.new", fmt.Errorf("kind %q is not known; use one of %s", kind, strings.Join(Kinds(), ", ")))
	}
	c, err := construct(s, d)
	if err != nil {
		return nil, chat.E(chat.Invalid, "channel.new", err)
	}
	return c, nil
}

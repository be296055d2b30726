package feishu

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"parley/internal/chat"
)

// botInfo is what the application's bot is (document "obtain bot info").
type botInfo struct {
	Open   string `json:"open_id"`
	Status int    `json:"activate_status"`
}

// statusOn is a bot that may be talked to; the others say why not.
const statusOn = 2

func statusName(status int) string {
	names := []string{
		"the application has no published version yet", "the company has stopped the application", "", "the application waits for the company to install it",
		"a newer version waits for the company's consent", "the application's licence has expired", "the company's plan has expired",
	}
	if status >= 0 && status < len(names) {
		return names[status]
	}
	return fmt.Sprintf("activate_status is %d", status)
}

// caller makes a request: client.call, or one past its caches.
type caller func(context.Context, request) error

// info asks who the bot is. The answer has its fields beside the code.
func (call caller) info(ctx context.Context) (botInfo, error) {
	var got struct {
		Bot botInfo `json:"bot"`
	}
	if err := call(ctx, request{api: "bot", method: http.MethodGet, path: pathBot, out: &got, most: later}); err != nil {
		return botInfo{}, err
	}
	if !isID(got.Bot.Open) {
		return botInfo{}, chat.E(chat.Unavailable, "feishu.bot", errors.New("the answer holds no open_id"))
	}
	return got.Bot, nil
}

// need is a permission that any of several scopes gives.
type need struct {
	scopes []string
	what   string
}

func (b *bot) needs() []need {
	all := []need{
		{[]string{"im:message", "im:message:send_as_bot", "im:message:send"}, "to answer"},
		{[]string{"im:message.p2p_msg:readonly", "im:message.p2p_msg", "im:message"}, "to receive what people write to the bot alone"},
		{[]string{"im:message.group_at_msg:readonly", "im:message.group_at_msg", "im:message.group_msg", "im:message"}, "to receive what mentions the bot in groups"},
		{[]string{"im:message:readonly", "im:message", "im:message.history:readonly"}, "to look at pictures and at quoted messages"},
	}
	if b.cards {
		all = append(all, need{[]string{"cardkit:card:write"}, "to show an answer while it grows (or set card: false)"})
	}
	return all
}

// Check implements channel.Checker: the credentials past every cache, whether the bot is switched on, and the permissions. It needs nothing but a way to
// the platform, and nobody sees any of it. Which events are subscribed to and how they are delivered, the platform tells nobody.
func (b *bot) Check(ctx context.Context) error {
	token, _, err := b.api.fetchToken(ctx)
	if err != nil {
		return err
	}
	past := caller(func(ctx context.Context, r request) error { return b.api.send(ctx, r, token) })
	me, err := past.info(ctx)
	if err != nil {
		return err
	}
	var faults []error
	if me.Status != statusOn {
		faults = append(faults, chat.E(chat.Forbidden, "feishu.bot", errors.New(statusName(me.Status))))
	}
	granted, err := past.scopes(ctx)
	if err != nil { // an application may be without this list; then the rest stands alone
		return errors.Join(faults...)
	}
	for _, n := range b.needs() {
		if !slices.ContainsFunc(n.scopes, func(s string) bool { return granted[s] }) {
			faults = append(faults, chat.E(chat.Forbidden, "feishu.scopes", fmt.Errorf(
				"the application lacks %s, %s; grant it under 权限管理 and publish a version", n.scopes[0], n.what)))
		}
	}
	return errors.Join(faults...)
}

// scopes lists what the company has granted (document "query the authorization status of an application's scopes").
func (call caller) scopes(ctx context.Context) (map[string]bool, error) {
	var got struct {
		Scopes []struct {
			Name   string `json:"scope_name"`
			Status int    `json:"grant_status"` // 1: granted
			Type   string `json:"scope_type"`   // tenant, user
		} `json:"scopes"`
	}
	if err := call(ctx, request{api: "scopes", method: http.MethodGet, path: pathScopes, out: &got, most: later}); err != nil {
		return nil, err
	}
	granted := make(map[string]bool)
	for _, s := range got.Scopes {
		if s.Status == 1 && s.Type != "user" {
			granted[s.Name] = true
		}
	}
	return granted, nil
}

package app

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/chat"
)

const agentPath = "/cgi-bin/agent/get"

// agent is what the platform tells an application of itself (document 90227), as far as it matters here.
type agent struct {
	util.CommonError
	Name    string                    `json:"name"`
	Users   struct{ User []struct{} } `json:"allow_userinfos"`
	Parties struct{ PartyID []int64 } `json:"allow_partys"`
	Tags    struct{ TagID []int64 }   `json:"allow_tags"`
	Close   int                       `json:"close"`
}

// Check implements channel.Checker: CorpID and secret, whether the platform trusts this machine's address, AgentID, and whether anybody sees the
// application. Token and key are proved by the platform's own verification of the address.
func (a *App) Check(ctx context.Context) error {
	client, err := a.client.Check(ctx)
	if err != nil {
		return err
	}
	var it agent
	if err := client.Get(ctx, agentPath, url.Values{"agentid": {strconv.FormatInt(a.agent, 10)}}, &it); err != nil {
		return err
	}
	switch {
	case it.Close != 0:
		return chat.E(chat.Forbidden, "wecom.check", errors.New("the application is switched off (停用): switch it on, 应用管理 → the application"))
	case len(it.Users.User)+len(it.Parties.PartyID)+len(it.Tags.TagID) == 0:
		return chat.E(chat.Forbidden, "wecom.check", errors.New("nobody sees the application: name people or departments, 应用管理 → the application → 可见范围"))
	}
	return nil
}

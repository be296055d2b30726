package kf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/silenceper/wechat/v2/work/kf"

	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

const (
	accountsPath = "/cgi-bin/kf/account/list"
	accountsPage = 100
	maxAccounts  = 5000 // of a corp
)

// Check implements channel.Checker: CorpID and secret, whether the platform trusts this machine's address, and whether the API may serve the
// accounts. Token and aes_key are proved by the platform's own verification of the address.
func (k *KF) Check(ctx context.Context) error {
	client, err := k.client.Check(ctx)
	if err != nil {
		return err
	}
	accounts, err := list(ctx, client)
	if err != nil {
		return err
	}
	const op = "wecomkf.check"
	if len(accounts) == 0 {
		return chat.E(chat.Forbidden, op, errors.New("the API sees no account of customer service: create one (应用管理 → 微信客服), and let this application call its API (可调用接口的应用)"))
	}
	var wrong []string
	for _, a := range accounts {
		if k.serves(a.OpenKFID) && !a.ManagePrivilege {
			wrong = append(wrong, fmt.Sprintf("the API may not serve %s (%s): give this application the right to manage it (微信客服 → API → 可管理的客服账号)", a.OpenKFID, clip(a.Name, 64)))
		}
	}
	for _, id := range k.served {
		if !slices.ContainsFunc(accounts, func(a kf.AccountInfoSchema) bool { return a.OpenKFID == id }) {
			wrong = append(wrong, fmt.Sprintf("open_kfids names %s, which the API does not see; it sees %s", id, names(accounts)))
		}
	}
	if len(wrong) > 0 {
		return chat.E(chat.Forbidden, op, errors.New(strings.Join(wrong, "; ")))
	}
	return nil
}

// list asks for all accounts, page by page (document 94661).
func list(ctx context.Context, client *wecom.Client) (all []kf.AccountInfoSchema, err error) {
	for len(all) < maxAccounts {
		body, err := encode(kf.AccountPagingRequest{Offset: len(all), Limit: accountsPage})
		if err != nil {
			return nil, chat.E(chat.Internal, "wecomkf.check", err)
		}
		var page kf.AccountListSchema
		if err := client.Post(ctx, accountsPath, body, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.AccountList...); len(page.AccountList) < accountsPage {
			break
		}
	}
	return all, nil
}

// names lists accounts for people, the first few.
func names(accounts []kf.AccountInfoSchema) string {
	var list []string
	for i, a := range accounts {
		if i == 5 {
			list = append(list, "…")
			break
		}
		list = append(list, fmt.Sprintf("%s (%s)", a.OpenKFID, clip(a.Name, 64)))
	}
	return strings.Join(list, ", ")
}

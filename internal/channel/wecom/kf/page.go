package kf

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

const (
	syncPath = "/cgi-bin/kf/sync_msg"
	// pageSize bounds what is accepted before the cursor is kept; the platform would give 1,000.
	pageSize = 100
	// newAccount is how much older than its first callback a message may be to be answered.
	newAccount = time.Minute
	// tooOld: what waited so long at the platform, since nobody fetched it, is not answered any more. It is less than the time for which
	// accepted messages are recognised.
	tooOld = 12 * time.Hour
	// A page may be empty and say that there is more (document 94670). How often, and whether the cursor moves then, is not said.
	maxEmpty   = 8
	emptyPause = 20 * time.Millisecond
)

// stream is how far an account was fetched, and what before is not to be answered.
type stream struct {
	place
	// Since is a send_time: what is older was there before Parley, or was accepted before the cursor was lost.
	Since int64 `json:"since"`
}

type syncRequest struct {
	Cursor   string `json:"cursor,omitempty"`
	Token    string `json:"token,omitempty"`
	Limit    int    `json:"limit"`
	OpenKFID string `json:"open_kfid"`
}

type syncAnswer struct {
	util.CommonError
	Next     string            `json:"next_cursor"`
	HasMore  int               `json:"has_more"`
	Messages []json.RawMessage `json:"msg_list"` // each is read by itself: one that cannot be read holds up no other
}

// page fetches one page of an account, accepts what is on it, and only then keeps the cursor. more: there is more to fetch.
func (k *KF) page(ctx context.Context, account string) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pageWithin)
	defer cancel()
	m, pending, err := k.pending(ctx, account) // before asking: what rings from now on leaves another mark
	if err != nil || !pending {
		return false, err
	}
	var at stream
	known, err := k.recall(ctx, "cursor", account, &at)
	if err != nil {
		return false, err
	}
	if !known { // the platform begins three days ago; nobody waits for those answers
		at.Since = time.Unix(m.At, 0).Add(-newAccount).Unix()
	}
	answer, err := k.sync(ctx, account, &at, m)
	if chat.KindOf(err) == chat.NotFound {
		k.log.Error("an account of customer service is not there, or not this application's; a later callback is looked at again", "open_kfid", account, "err", err)
		return false, k.done(ctx, account, m)
	}
	if err != nil {
		return false, err
	}
	entries := k.entries(answer.Messages, account)
	if err := k.accept(ctx, account, entries, at.Since); err != nil {
		return false, err
	}
	if answer.Next != "" {
		at.Cursor = answer.Next
	}
	for _, e := range entries {
		at.Newest = max(at.Newest, min(e.SentAt, k.now().Unix()))
	}
	if err := k.remember(ctx, "cursor", account, at, keepCursor); err != nil {
		return false, err
	}
	if answer.HasMore != 0 {
		return true, nil
	}
	return true, k.done(ctx, account, m) // whether it rang meanwhile is looked at next
}

// sync asks for the messages after the cursor. A token that the platform does not take is left out; a cursor that it does not take is given up.
func (k *KF) sync(ctx context.Context, account string, at *stream, m mark) (syncAnswer, error) {
	q := syncRequest{Cursor: at.Cursor, Token: m.Token, Limit: pageSize, OpenKFID: account}
	if k.now().Sub(time.Unix(m.At, 0)) > tokenLife {
		q.Token = ""
	}
	for empty := 0; ; {
		body, err := json.Marshal(q)
		if err != nil {
			return syncAnswer{}, chat.E(chat.Internal, "wecomkf.sync", err)
		}
		var answer syncAnswer
		err = k.client.Post(ctx, syncPath, body, &answer)
		e, refused := errors.AsType[*chat.Error](err)
		switch {
		case err == nil && answer.HasMore != 0 && len(answer.Messages) == 0 && (answer.Next == "" || answer.Next == q.Cursor):
			if empty++; empty == maxEmpty {
				return syncAnswer{}, chat.E(chat.Unavailable, "wecomkf.sync", errors.New("the platform says that there is more, and gives neither messages nor another cursor"))
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(empty) * emptyPause):
			}
		case err == nil:
			return answer, nil
		case refused && q.Token != "" && is(e, wecom.CodeMsgToken):
			q.Token = ""
		case refused && q.Cursor != "" && refusesCursor(e):
			k.log.Warn("the platform does not take the cursor of an account any more; it is fetched from the oldest message on",
				"open_kfid", account, "err", err)
			at.Since, at.Cursor, q.Cursor = max(at.Since, at.Newest), "", ""
		default:
			return syncAnswer{}, err
		}
	}
}

// refusesCursor: the platform names no code for it. What says that the request itself is wrong is tried without the cursor.
func refusesCursor(e *chat.Error) bool {
	return e.Code != "" && (e.Kind == chat.Invalid || e.Kind == chat.Internal)
}

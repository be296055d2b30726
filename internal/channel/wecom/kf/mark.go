package kf

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"time"
)

// What is kept of each account, beside the list of them:
//
//	mark    something is to be fetched, with the token of the latest callback
//	done    the id of the mark up to which all was fetched
//	cursor  where the next sync_msg begins
//
// A mark is written before its callback is acknowledged, done after the last page that began after the mark was read. So whoever sees a mark
// that is not done has something to fetch, whatever became of who saw it before.
const (
	keepMark = 3 * 24 * time.Hour // as long as the platform keeps messages
	// keepCursor is for quiet accounts. Without a cursor an account begins anew: see [KF.page].
	keepCursor = 30 * 24 * time.Hour
	keepList   = 30 * 24 * time.Hour
	// listAgain is how often an account is entered in the list again, to keep it there.
	listAgain = 12 * time.Hour
	maxList   = 10_000 // accounts; a corp has at most 5,000
	tokenLife = 9 * time.Minute
)

// mark says that something is to be fetched.
type mark struct {
	ID    string `json:"id"`
	Token string `json:"token,omitempty"` // makes sync_msg free of its strict limit for ten minutes
	At    int64  `json:"at"`              // Unix seconds, by the platform's clock
}

// place is how far an account was fetched.
type place struct {
	Cursor string `json:"cursor"`
	Newest int64  `json:"newest"` // send_time of the newest message before it
}

// ring keeps that something is to be fetched of an account.
func (k *KF) ring(ctx context.Context, account, token string, at time.Time) error {
	if err := k.enlist(ctx, account); err != nil {
		return err
	}
	return k.remember(ctx, "mark", account, mark{ID: rand.Text(), Token: token, At: at.Unix()}, keepMark)
}

// enlist enters an account in the list, from which whoever leads knows it. Its places are taken one after the other, each by the first who comes.
func (k *KF) enlist(ctx context.Context, account string) error {
	k.mu.Lock()
	at, ok := k.registered[account]
	k.mu.Unlock()
	if ok && k.now().Sub(at) < listAgain {
		return nil
	}
	for i := range maxList {
		key := k.key("accounts", strconv.Itoa(i))
		holder, err := k.memo.RememberFirst(ctx, key, account, keepList)
		if err != nil {
			return err
		}
		if holder != account {
			continue
		}
		if err := k.memo.Remember(ctx, key, account, keepList); err != nil { // for another while
			return err
		}
		break
	}
	k.mu.Lock()
	k.registered[account] = k.now()
	k.mu.Unlock()
	return nil
}

// accounts adds to those known what was entered in the list since.
func (k *KF) accounts(ctx context.Context, known []string) ([]string, error) {
	for len(known) < maxList {
		account, err := k.memo.Recall(ctx, k.key("accounts", strconv.Itoa(len(known))))
		if err != nil || account == "" {
			return known, err
		}
		known = append(known, account)
	}
	return known, nil
}

// pending gives an account's mark if it is not done.
func (k *KF) pending(ctx context.Context, account string) (m mark, ok bool, err error) {
	if _, err := k.recall(ctx, "mark", account, &m); err != nil || m.ID == "" {
		return m, false, err
	}
	done, err := k.memo.Recall(ctx, k.key("done", account))
	return m, err == nil && done != m.ID, err
}

func (k *KF) done(ctx context.Context, account string, m mark) error {
	return k.memo.Remember(ctx, k.key("done", account), m.ID, keepMark)
}

// recall reads what remember kept; ok is false, and into untouched, if there is nothing that can be read.
func (k *KF) recall(ctx context.Context, what, account string, into any) (ok bool, err error) {
	v, err := k.memo.Recall(ctx, k.key(what, account))
	if err != nil || v == "" {
		return false, err
	}
	return json.Unmarshal([]byte(v), into) == nil, nil
}

func (k *KF) remember(ctx context.Context, what, account string, v any, ttl time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.memo.Remember(ctx, k.key(what, account), string(b), ttl)
}

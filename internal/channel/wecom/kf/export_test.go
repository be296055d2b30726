package kf

import (
	"context"
	"encoding/json"

	"parley/internal/chat"
)

// Pending says whether something of an account is to be fetched, as far as the store tells.
func Pending(ctx context.Context, k *KF, account string) bool {
	_, ok, err := k.pending(ctx, account)
	return ok || err != nil
}

// Page fetches one page as Run does.
func Page(ctx context.Context, k *KF, account string) (more bool, err error) {
	return k.page(ctx, account)
}

// Watch looks after all accounts as the replica does that leads.
func Watch(ctx context.Context, k *KF) {
	p := &puller{KF: k, again: map[string]bool{}, failed: map[string]*failure{}}
	p.watch(ctx)
	p.wg.Wait()
}

// Read makes messages of a page's entries.
func Read(k *KF, raw []json.RawMessage, account string) (messages []chat.Message) {
	for _, e := range k.entries(raw, account) {
		if m, ok := k.message(account, e); ok {
			messages = append(messages, m)
		}
	}
	return messages
}

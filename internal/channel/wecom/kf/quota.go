package kf

import (
	"context"
	"fmt"
	"time"
)

// What is kept of a customer, for as long as the platform lets replies through:
//
//	spoke  the id of what the customer wrote last
//	full   the same at the moment when the platform let no more through
//	cut    where a long answer was cut, and what the customer had written last
const (
	keepSpoke = 48 * time.Hour
	keepCut   = 2 * time.Hour
)

type cut struct {
	Tail  string `json:"tail"`
	Spoke string `json:"spoke"`
}

// spoke notes that a customer wrote, which lets replies through again, and gives what is asked: who asks for the rest of an answer that was cut
// asks from where it was cut, since the model believes that all was read.
func (k *KF) spoke(ctx context.Context, account string, e entry, text string) (string, error) {
	key := k.key("spoke", account, e.User)
	if e.Type == "text" && goesOn(text) {
		before, err := k.memo.Recall(ctx, key)
		if err != nil {
			return "", err
		}
		var c cut
		ok, err := k.recall(ctx, "cut", account+"/"+e.User, &c)
		if err != nil {
			return "", err
		}
		if ok && (before == c.Spoke || before == e.ID) { // nothing else was said since
			text = fmt.Sprintf("你上一条回答太长，只发到“…%s”为止。请从这里之后接着写，不要重复前面的内容。", c.Tail)
		}
	}
	return text, k.memo.Remember(ctx, key, e.ID, keepSpoke)
}

// full says that the platform lets nothing through until the customer writes again. When in doubt the platform is asked.
func (k *KF) full(ctx context.Context, account, user string) bool {
	at, err := k.memo.Recall(ctx, k.key("full", account, user))
	if err != nil || at == "" {
		return false
	}
	last, err := k.memo.Recall(ctx, k.key("spoke", account, user))
	return err == nil && at == last
}

func (k *KF) filled(ctx context.Context, account, user string) {
	last, err := k.memo.Recall(ctx, k.key("spoke", account, user))
	if err == nil && last != "" {
		err = k.memo.Remember(ctx, k.key("full", account, user), last, keepSpoke)
	}
	k.complain(err)
}

func (k *KF) wasCut(ctx context.Context, account, user, tail string) {
	last, err := k.memo.Recall(ctx, k.key("spoke", account, user))
	if err == nil {
		err = k.remember(ctx, "cut", account+"/"+user, cut{Tail: tail, Spoke: last}, keepCut)
	}
	k.complain(err)
}

// complain logs what costs a call in vain, or the way to the rest of an answer, and no message.
func (k *KF) complain(err error) {
	if err != nil {
		k.log.Warn("what a customer may be sent could not be kept", "err", err)
	}
}

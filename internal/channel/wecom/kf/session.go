package kf

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/chat"
)

const (
	statePath = "/cgi-bin/kf/service_state/get"
	// stateFor is how long a session's state is believed. Events tell of changes; who sends in a wrong state is refused by the platform.
	stateFor = 30 * time.Second
	asking   = 8 // at once
)

// Whose a session is, as it is kept.
const (
	ours   = "ours"   // states 0 (nobody's yet) and 1 (the robot's)
	theirs = "theirs" // 2 (waits for a human), 3 (a human's), 4 (ended)
)

// sessions says of each customer who wrote on a page whether Parley may answer. It first takes in what the page's events say.
func (k *KF) sessions(ctx context.Context, account string, entries []entry) (map[string]bool, error) {
	asked := make(map[string]bool)
	var users []string
	for _, e := range entries {
		var now string
		switch {
		case e.Origin == fromCustomer:
			if _, again := asked[e.User]; !again {
				asked[e.User] = false
				users = append(users, e.User)
			}
			continue
		case e.Origin == fromServicer:
			now = theirs
		case e.Event.Type == "session_status_change":
			if e.Event.Change != 3 { // a servicer came; when a session ends, the customer's next message begins another
				now = theirs
			}
		default:
			continue
		}
		if err := k.memo.Remember(ctx, k.key("state", account, e.User), now, stateFor); err != nil {
			return nil, err
		}
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		place = make(chan struct{}, asking)
		first error
	)
	for _, user := range users {
		place <- struct{}{}
		wg.Go(func() {
			mine, err := k.session(ctx, account, user)
			<-place
			mu.Lock()
			defer mu.Unlock()
			asked[user] = mine
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return asked, first
}

// session says whether a customer's session is not a human's.
func (k *KF) session(ctx context.Context, account, user string) (mine bool, err error) {
	key := k.key("state", account, user)
	kept, err := k.memo.Recall(ctx, key)
	if err != nil {
		return false, err
	}
	if kept != "" {
		return kept == ours, nil
	}
	body, err := json.Marshal(map[string]string{"open_kfid": account, "external_userid": user})
	if err != nil {
		return false, chat.E(chat.Internal, "wecomkf.state", err)
	}
	var answer struct {
		util.CommonError
		State *int `json:"service_state"`
	}
	err = k.client.Post(ctx, statePath, body, &answer)
	switch {
	case err != nil && chat.KindOf(err).Retryable():
		return false, err
	case err != nil: // the platform refuses to send if it is a human's
		k.log.Error("the state of a customer's session cannot be asked for; it counts as nobody's", "open_kfid", account, "err", err)
		return true, nil
	case answer.State == nil:
		return false, chat.E(chat.Unavailable, "wecomkf.state", fmt.Errorf("the answer holds no service_state"))
	}
	now := theirs
	if *answer.State == 0 || *answer.State == 1 {
		now = ours
	}
	return now == ours, k.memo.Remember(ctx, key, now, stateFor)
}

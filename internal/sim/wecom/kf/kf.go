// Package kf simulates WeCom's customer service (微信客服) beside the simulated WeCom that it is a part of: people outside the company write to
// its accounts, a callback without any text says that there is something, sync_msg hands it out by cursor, and send_msg answers under the
// platform's rules: five messages within 48 hours of what the customer wrote last, only while no human serves, and one message for each msgid.
//
// Formats are those of https://developer.work.weixin.qq.com/document: 94670 (callback, sync_msg), 94677 (send_msg), 95122 (send_msg_on_event),
// 94669 (service_state), 94661 (accounts). What the platform does not document is said where it is assumed.
package kf

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"time"

	"parley/internal/sim/wecom"
)

// Account is one account of customer service (客服账号).
type Account struct {
	wecom.Ref        // whose secret may serve it, and whose callbacks hear of it
	OpenKFID  string `json:"open_kfid"`
	Name      string `json:"name"`
	// Unmanaged: the application may see it and not serve it (可调用接口的应用 without 管理权限).
	Unmanaged bool `json:"unmanaged,omitempty"`
	// Human: what customers write goes to a human servicer at once, as the account's 接待方式 has it.
	Human bool `json:"human,omitempty"`
}

// The states of a session (document 94669).
const (
	StateNew     = 0 // nobody serves yet
	StateRobot   = 1 // 由智能助手接待
	StateWaiting = 2 // in the pool, for a human to come
	StateHuman   = 3
	StateEnded   = 4 // or not begun
)

// Options are the platform's figures; zero values are the documented ones.
type Options struct {
	Quota  int           // messages after each of the customer's: 5
	Window time.Duration // 48 h
	Keep   time.Duration // how far back sync_msg reaches: 3 days
	Page   int           // most messages that sync_msg hands out at once, whatever was asked: 1000
	// Tokenless is how often a minute sync_msg may be called without a token. The platform says "strictly limited" and no figure; 10 is assumed.
	Tokenless int
	// EmptyPages makes every second answer of sync_msg that has messages come without them and with has_more, as the document warns.
	EmptyPages bool
	Now        func() time.Time
	// OnShown is called for each message that a customer sees, in order. It must neither block nor call the Sim.
	OnShown func(Sent)
}

// Sim is the customer service of one simulated WeCom. It is safe for concurrent use.
type Sim struct {
	platform *wecom.Sim
	opt      Options

	mu        sync.Mutex
	accounts  map[string]*account // by OpenKFID
	tokens    map[string]msgToken
	codes     map[string]*code
	sent      map[string]bool // msgids
	tokenless []time.Time
	epoch     int // of cursors; an older one is refused
	empty     bool
	lastID    int64
	stats     Stats
}

// account is an account's state.
type account struct {
	Account
	messages []message
	people   map[string]*customer
}

// customer is a person as one account knows them.
type customer struct {
	state  int
	spoke  time.Time
	used   int // messages sent since
	shown  []Sent
	woken  chan struct{}
	greets time.Time // when a welcome was given last
}

// New makes the customer service of platform, without accounts.
func New(platform *wecom.Sim, opt Options) *Sim {
	opt.Quota = cmp.Or(opt.Quota, 5)
	opt.Window = cmp.Or(opt.Window, 48*time.Hour)
	opt.Keep = cmp.Or(opt.Keep, 3*24*time.Hour)
	opt.Page = cmp.Or(opt.Page, 1000)
	opt.Tokenless = cmp.Or(opt.Tokenless, 10)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Sim{
		platform: platform, opt: opt, accounts: make(map[string]*account), tokens: make(map[string]msgToken), codes: make(map[string]*code),
		sent: make(map[string]bool), lastID: opt.Now().UnixNano(), stats: Stats{Refused: make(map[int64]int)},
	}
}

// AddAccount adds an account or replaces it, with an empty past. Its application must be added to the platform.
func (s *Sim) AddAccount(a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[a.OpenKFID] = &account{Account: a, people: make(map[string]*customer)}
}

// Handler serves the customer service's API and, below it, all of the platform's.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	for name, do := range map[string]func(wecom.Ref, *http.Request) any{
		"kf/sync_msg": s.syncMsg, "kf/send_msg": s.sendMsg, "kf/send_msg_on_event": s.sendOnEvent,
		"kf/service_state/get": s.stateGet, "kf/service_state/trans": s.stateTrans, "kf/account/list": s.accountList,
	} {
		mux.HandleFunc("POST /cgi-bin/"+name, s.platform.API(name, do))
	}
	mux.Handle("/", s.platform.Handler())
	return mux
}

// of finds an account that ref may use. The caller holds the lock.
func (s *Sim) of(ref wecom.Ref, openKFID string) (*account, any) {
	a := s.accounts[openKFID]
	switch {
	case openKFID == "":
		return nil, s.refuse(95000, "invalid open_kfid")
	case a == nil || a.Ref != ref:
		return nil, s.refuse(95004, "open_kfid not exist")
	case a.Unmanaged:
		return nil, s.refuse(60011, "no privilege to access/modify contact/party/agent")
	}
	return a, nil
}

// customer finds or makes a customer. The caller holds the lock.
func (a *account) customer(user string) *customer {
	c := a.people[user]
	if c == nil {
		c = &customer{state: StateEnded, woken: make(chan struct{})}
		a.people[user] = c
	}
	return c
}

// refuse counts a refusal. The caller holds the lock.
func (s *Sim) refuse(code int64, message string) any {
	s.stats.Refused[code]++
	return wecom.Refusal(code, message)
}

// id gives a name that was not given before. The caller holds the lock.
func (s *Sim) id(prefix string) string {
	s.lastID++
	return fmt.Sprintf("%s%d", prefix, s.lastID)
}

func (s *Sim) known(openKFID string) (*account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[openKFID]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("no account %s: add it first", openKFID)
}

package wecomkf

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/internal/sim/wecom/kf"
	"parley/test/ledger"
)

// TestCallbackSecretsAreExchanged gives the application and the customer service new tokens and keys while everything runs: first files that
// change, then lists with an overlap. No callback is refused in between, and the old secrets open nothing afterwards.
func TestCallbackSecretsAreExchanged(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 1})
	old := [2]wecom.App{s.app, s.service}
	s.knows("the first secrets", old[0], old[1])
	s.talk(1)

	next := old
	for i := range next {
		next[i].Token, next[i].AESKey = fmt.Sprint("TokenNumberTwo", i), key([]string{"N", "O"}[i])
	}
	// With an overlap: both sets are in the document before the platform changes, and the old one leaves after it.
	s.secret("APP_TOKEN2", next[0].Token)
	s.secret("APP_AES2", next[0].AESKey)
	s.secret("KF_TOKEN2", next[1].Token)
	s.secret("KF_AES2", next[1].AESKey)
	s.document("[file:APP_TOKEN2, file:APP_TOKEN]", "[file:APP_AES2, file:APP_AES]", "[file:KF_TOKEN2, file:KF_TOKEN]", "[file:KF_AES2, file:KF_AES]")
	s.knows("both", old[0], old[1], next[0], next[1])
	s.talk(2)
	s.app, s.service = next[0], next[1]
	s.register() // 保存 on the platform's page, which proves the address again
	s.must(s.platform.Verify(ctx, s.app.Ref))
	s.must(s.platform.Verify(ctx, s.service.Ref))
	s.talk(3)
	s.document("file:APP_TOKEN2", "file:APP_AES2", "file:KF_TOKEN2", "file:KF_AES2")
	s.forgets("the first secrets", old[0], old[1])
	s.talk(4)

	// Files that change, with no change of the document.
	last := next
	for i := range last {
		last[i].Token, last[i].AESKey = fmt.Sprint("TokenNumberThree", i), key([]string{"L", "M"}[i])
	}
	s.secret("APP_TOKEN2", last[0].Token)
	s.secret("APP_AES2", last[0].AESKey)
	s.secret("KF_TOKEN2", last[1].Token)
	s.secret("KF_AES2", last[1].AESKey)
	s.knows("the last secrets", last[0], last[1])
	s.forgets("the second secrets", next[0], next[1])
	s.app, s.service = last[0], last[1]
	s.register()
	s.talk(5)
	for i, c := range s.clients {
		if !c.Alive() {
			t.Errorf("client %d was restarted, or died", i+1)
		}
	}
}

// talk lets one person ask the application and one customer ask the service; both are answered.
func (s *stage) talk(n int) {
	s.Helper()
	if _, err := s.platform.Say(s.ctx, s.app.Ref, "zhang", ledger.Question(ledger.ID{Person: "zhang", N: n})); err != nil {
		s.Error(err)
	}
	s.ask("wmZhang", n)
	s.inOrder("wmZhang", count(n)...)
	ctx, cancel := context.WithTimeout(s.ctx, 60*time.Second)
	defer cancel()
	if shown, err := s.platform.Await(ctx, s.app.Ref, "zhang", n); err != nil || len(shown) != n {
		s.Errorf("the application's person was shown %d of %d: %v", len(shown), n, err)
	}
}

// opens says with which status a client answers a harmless callback sealed with an application's secrets.
func (s *stage) opens(client int, a wecom.App) int {
	s.Helper()
	path, doc := "app", fmt.Sprintf("<xml><ToUserName>%s</ToUserName><FromUserName>probe</FromUserName><CreateTime>%d</CreateTime>"+
		"<MsgType>event</MsgType><Event>view</Event><AgentID>%d</AgentID></xml>", a.CorpID, time.Now().Unix(), a.AgentID)
	if a.Ref == s.service.Ref {
		path, doc = "kf", s.kf.Bell(kf.Account{Ref: a.Ref, OpenKFID: "wkNobody"})
	}
	query, body, err := wecom.SealDocument(a, doc, time.Now())
	s.must(err)
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, "http://"+s.clients[client].Addr+"/callback/acme/"+path+"?"+query.Encode(), strings.NewReader(string(body)))
	s.must(err)
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	s.must(resp.Body.Close())
	return resp.StatusCode
}

// knows waits until all clients open what is sealed with these secrets, forgets until none does.
func (s *stage) knows(what string, apps ...wecom.App) {
	s.Helper()
	s.eventually("all know "+what, func() bool { return s.all(apps, http.StatusOK) })
}

func (s *stage) forgets(what string, apps ...wecom.App) {
	s.Helper()
	s.eventually("all forget "+what, func() bool { return s.all(apps, http.StatusUnauthorized) })
}

func (s *stage) all(apps []wecom.App, status int) bool {
	s.Helper()
	for client := range s.clients {
		for _, a := range apps {
			if s.opens(client, a) != status {
				return false
			}
		}
	}
	return true
}

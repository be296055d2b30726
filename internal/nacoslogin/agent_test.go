package nacoslogin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/common/http_agent"

	"parley/internal/chat"
)

// nacos takes one password, as Nacos does, and counts logins. Its tokens live 100 s.
type nacos struct {
	http_agent.IHttpAgent
	password string
	logins   int
	refused  int
	down     bool
}

func (n *nacos) Post(_ string, _ http.Header, _ uint64, params map[string]string) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch {
	case n.down:
		return nil, io.ErrUnexpectedEOF
	case params["password"] != n.password:
		n.refused++
		http.Error(w, "unknown user!", http.StatusForbidden)
	default:
		n.logins++
		fmt.Fprintf(w, `{"accessToken":"token-%d","tokenTtl":100,"globalAdmin":true}`, n.logins)
	}
	return w.Result(), nil
}

// sdk asks as the SDK does: every 5 s. It gives the token that it would have.
type sdk struct {
	*testing.T
	agent *Agent
	has   string
}

func (s *sdk) tick() string {
	s.Helper()
	resp, err := s.agent.Post("http://n:8848/nacos/v1/auth/users/login", http.Header{}, 3000, map[string]string{"username": "u", "password": "of the start"})
	time.Sleep(5 * time.Second)
	if err != nil {
		return s.has
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK {
		_, rest, _ := strings.Cut(string(body), `"accessToken":"`)
		s.has, _, _ = strings.Cut(rest, `"`)
	}
	return s.has
}

func TestAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &nacos{password: "one"}
		var file atomic.Pointer[string]
		put := func(s string) { file.Store(&s) }
		put("one")
		var log bytes.Buffer
		a := New(Options{Now: func() chat.Secret { return chat.NewSecret(*file.Load()) }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		a.IHttpAgent = n
		s := &sdk{T: t, agent: a}
		want := func(token string, logins, refused int, after string) {
			t.Helper()
			if got := s.tick(); got != token || n.logins != logins || n.refused != refused {
				t.Errorf("%s: token %s after %d logins, %d refused; want %s, %d, %d", after, got, n.logins, n.refused, token, logins, refused)
			}
		}
		want("token-1", 1, 0, "start")
		want("token-1", 1, 0, "nothing changed")

		put("two")
		want("token-1", 1, 1, "the file is ahead of Nacos")
		want("token-1", 1, 1, "refused a moment ago")
		n.password = "two"
		s.tick()
		want("token-2", 2, 1, "Nacos has followed")

		n.password = "three"
		want("token-2", 2, 1, "Nacos is ahead of the file")
		n.down = true
		put("three")
		want("token-2", 2, 1, "Nacos is away")
		n.down = false
		want("token-3", 3, 1, "both have it")

		put("four")
		for range 19 {
			s.tick()
		}
		if n.refused < 3 || n.logins != 4 {
			t.Errorf("a password that Nacos does not know yet, past the token's life: %d refused, %d logins, want the one before to be used", n.refused, n.logins)
		}
		put("three")
		refused := n.refused
		time.Sleep(time.Minute)
		before := n.logins
		a.Doubt()
		a.Doubt()
		want(fmt.Sprintf("token-%d", before+1), before+1, refused, "a refused token")
		a.Doubt()
		want(fmt.Sprintf("token-%d", before+1), before+1, refused, "refused again at once")
		if strings.Contains(log.String(), "one") && strings.Contains(log.String(), "=one") {
			t.Error("a password was logged")
		}
		if got := strings.Count(log.String(), "does not take"); got != 2 {
			t.Errorf("%d warnings, want one for each password that was refused:\n%s", got, &log)
		}
	})
}

func TestAgentAtAStart(t *testing.T) {
	n := &nacos{password: "one"}
	a := New(Options{Password: chat.NewSecret("wrong")})
	a.IHttpAgent = n
	for range 2 {
		resp, err := a.Post("http://n:8848/nacos/v1/auth/users/login", http.Header{}, 3000, map[string]string{"username": "u"})
		if err != nil || resp.StatusCode != http.StatusForbidden {
			t.Fatalf("%v, %v: want Nacos's own refusal", resp, err)
		}
	}
	if n.refused != 2 {
		t.Errorf("%d tries", n.refused)
	}
}

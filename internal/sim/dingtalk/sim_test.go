package dingtalk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type stage struct {
	*testing.T
	*Sim
	clock *clock
	url   string
	token string
}

func newStage(t *testing.T, o Options) *stage {
	c := &clock{at: time.Now()}
	o.Now = c.now
	s := &stage{T: t, Sim: New(o), clock: c}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	s.url = srv.URL
	s.SetOrigin(srv.URL)
	if err := s.AddApp(App{Key: "k", Secret: "s", Template: "tpl"}); err != nil {
		t.Fatal(err)
	}
	s.signIn()
	return s
}

func (s *stage) signIn() {
	_, body := s.call(http.MethodPost, "/v1.0/oauth2/accessToken", `{"appKey":"k","appSecret":"s"}`)
	var got struct{ AccessToken string }
	if json.Unmarshal([]byte(body), &got) != nil || got.AccessToken == "" {
		s.Fatal(body)
	}
	s.token = got.AccessToken
}

func (s *stage) call(method, path, body string) (status int, answer string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, bytes.NewBufferString(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("x-acs-dingtalk-access-token", s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	all, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all)
}

// refuses checks the code of a call's refusal.
func (s *stage) refuses(method, path, body string, status int, code string) {
	s.Helper()
	if got, answer := s.call(method, path, body); got != status || !strings.Contains(answer, code) {
		s.Errorf("%s %s: %d %s, want %d %s", path, body, got, answer, status, code)
	}
}

const (
	person = "/v1.0/robot/oToMessages/batchSend"
	create = "/v1.0/card/instances/createAndDeliver"
	stream = "/v1.0/card/streaming"
)

func TestTokens(t *testing.T) {
	s := newStage(t, Options{})
	first := s.token
	if s.signIn(); s.token != first {
		t.Error("another token while one is valid")
	}
	s.refuses(http.MethodPost, "/v1.0/oauth2/accessToken", `{"appKey":"k","appSecret":"x"}`, 400, "invalidClientIdOrSecret")
	if err := s.Revoke("k"); err != nil {
		t.Fatal(err)
	}
	s.refuses(http.MethodPost, person, "{}", 400, "InvalidAuthentication")
	s.signIn()
	s.clock.pass(3 * time.Hour)
	s.refuses(http.MethodPost, person, "{}", 401, "InvalidAuthentication")
}

func TestCallsASecond(t *testing.T) {
	s := newStage(t, Options{QPS: 2})
	for range 2 {
		s.refuses(http.MethodPost, person, "{}", 400, "userIds")
	}
	s.refuses(http.MethodPost, person, "{}", 403, "QpsLimitForAppkeyAndApi")
	s.refuses(http.MethodPut, stream, "{}", 400, "param.empty") // each API has its own
	s.clock.pass(time.Second)
	s.refuses(http.MethodPost, person, "{}", 400, "userIds")
	if s.Limited() != 1 {
		t.Errorf("%d", s.Limited())
	}
}

func TestRobotMessages(t *testing.T) {
	s := newStage(t, Options{QPS: -1})
	message := func(robot, users, key, param string) string {
		p, _ := json.Marshal(param)
		return fmt.Sprintf(`{"robotCode":%q,"userIds":[%s],"msgKey":%q,"msgParam":%s}`, robot, users, key, p)
	}
	for _, tc := range []struct{ body, code string }{
		{message("x", `"a"`, "sampleText", `{"content":"x"}`), "robot.notExist"},
		{message("k", ``, "sampleText", `{"content":"x"}`), "userIds"},
		{message("k", strings.Repeat(`"a",`, 20)+`"a"`, "sampleText", `{"content":"x"}`), "userIds"},
		{message("k", `"a"`, "sampleText", `{"text":"x"}`), "msgKey"},
		{message("k", `"a"`, "sampleMarkdown", `{"text":"x"}`), "msgKey"},
		{message("k", `"a"`, "sampleText", `{`), "msgParam"},
		{message("k", `"a"`, "sampleText", `{"content":"`+strings.Repeat("x", 15000)+`"}`), "tooLong"},
	} {
		s.refuses(http.MethodPost, person, tc.body, 400, tc.code)
	}
	if _, answer := s.call(http.MethodPost, person, message("k", `"a","gone"`, "sampleText", `{"content":"好"}`)); !strings.Contains(answer, `"invalidStaffIdList":["gone"]`) {
		t.Error(answer)
	}
	if shown := s.Shown("k", "a"); len(shown) != 1 || shown[0].Content != "好" {
		t.Errorf("%+v", shown)
	}
	s.refuses(http.MethodPost, "/v1.0/robot/groupMessages/send", `{"robotCode":"k","openConversationId":"x","msgKey":"sampleText","msgParam":"{\"content\":\"x\"}"}`, 400, "openConversationId")
}

func TestWebhooks(t *testing.T) {
	s := newStage(t, Options{PerMinute: 2})
	_, doc, err := s.Document("k", Message{User: "a", Text: "x"}, s.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ SessionWebhook string }
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	hook := strings.TrimPrefix(m.SessionWebhook, s.url)
	text := `{"msgtype":"text","text":{"content":"好 @b"},"at":{"atUserIds":["b","c"],"isAtAll":true}}`
	s.refuses(http.MethodPost, hook, "x", 200, "43004")
	s.refuses(http.MethodPost, hook, `{"msgtype":"markdown","markdown":{"text":"x"}}`, 200, "40035")
	s.refuses(http.MethodPost, hook, strings.Replace(text, "好", strings.Repeat("x", 20000), 1), 200, "460101")
	s.refuses(http.MethodPost, hook+"x", text, 200, "300001")
	for range 2 {
		s.refuses(http.MethodPost, hook, text, 200, `"errcode":0`)
	}
	s.refuses(http.MethodPost, hook, text, 200, "130101")
	s.clock.pass(time.Minute)
	s.refuses(http.MethodPost, hook, text, 200, "130101") // for ten minutes
	s.clock.pass(10 * time.Minute)
	s.refuses(http.MethodPost, hook, text, 200, `"errcode":0`)
	s.clock.pass(2 * time.Hour)
	s.refuses(http.MethodPost, hook, text, 200, "300001")
	if shown := s.Shown("k", "a"); len(shown) != 3 || fmt.Sprint(shown[0].Mentions) != "[b @all]" {
		t.Errorf("%+v", shown)
	}
}

func TestCards(t *testing.T) {
	s := newStage(t, Options{QPS: -1})
	made := `{"cardTemplateId":"tpl","outTrackId":"t1","cardData":{"cardParamMap":{"content":""}},"openSpaceId":"dtv1.card//IM_ROBOT.a",` +
		`"imRobotOpenSpaceModel":{"supportForward":true},"imRobotOpenDeliverModel":{"spaceType":"IM_ROBOT"}}`
	for from, to := range map[string][2]string{
		`"tpl"`: {`"x"`, "cardTemplateNotExist"}, `"t1"`: {`""`, "outTrackIdEmpty"}, `IM_ROBOT.a`: {`IM_ROBOT.$x`, "userIdNotExist"},
		`dtv1.card//`: {``, "openSpaceIdInvalid"}, `"spaceType":"IM_ROBOT"`: {``, "openSpaceModelInvalid"}, `"cardData"`: {`"x"`, "param.empty"},
	} {
		s.refuses(http.MethodPost, create, strings.Replace(made, from, to[0], 1), 400, to[1])
	}
	s.refuses(http.MethodPut, stream, `{"outTrackId":"t1","guid":"g","key":"content","content":"x","isFull":true}`, 400, "cardNotExist")
	s.refuses(http.MethodPost, create, made, 200, `"success":true`)
	s.refuses(http.MethodPost, create, made, 400, "Duplicate")
	for _, tc := range []struct {
		body   string
		status int
		says   string
	}{
		{`{"outTrackId":"t1","guid":"1","key":"other","content":"x","isFull":true}`, 400, "keyNotExist"},
		{`{"outTrackId":"t1","guid":"1","key":"content","content":"x"}`, 400, "isFull"},
		{`{"outTrackId":"t1","key":"content","content":"x","isFull":true}`, 400, "param.empty"},
		{`{"outTrackId":"t1","guid":"1","key":"content","content":"一","isFull":true}`, 200, "true"},
		{`{"outTrackId":"t1","guid":"1","key":"content","content":"again","isFull":true}`, 200, "true"}, // taken once
		{`{"outTrackId":"t1","guid":"2","key":"content","content":"一二","isFull":true,"isFinalize":true}`, 200, "true"},
		{`{"outTrackId":"t1","guid":"3","key":"content","content":"late","isFull":true}`, 400, "cardFinished"},
	} {
		s.refuses(http.MethodPut, stream, tc.body, tc.status, tc.says)
	}
	if shown := s.Shown("k", "a"); len(shown) != 1 || shown[0].Content != "一二" || shown[0].Updates != 2 || !shown[0].Final {
		t.Errorf("%+v", shown)
	}
}

// A ticket opens one connection, for a while; a message that nobody acknowledges is sent again.
func TestGateway(t *testing.T) {
	s := newStage(t, Options{AckWithin: 3 * time.Second, Tries: 2})
	const open = "/v1.0/gateway/connections/open"
	ask := `{"clientId":"k","clientSecret":"s","subscriptions":[{"type":"CALLBACK","topic":"` + topicMessages + `"}]}`
	s.refuses(http.MethodPost, open, strings.Replace(ask, `"s"`, `"x"`, 1), 401, "authFailed")
	s.refuses(http.MethodPost, open, `{"clientId":"k","clientSecret":"s"}`, 400, "subscriptions")
	ticket := func() string {
		_, body := s.call(http.MethodPost, open, ask)
		var got struct{ Endpoint, Ticket string }
		if json.Unmarshal([]byte(body), &got) != nil || got.Ticket == "" {
			t.Fatal(body)
		}
		return got.Endpoint + "?ticket=" + got.Ticket
	}
	dial := func(address string) *websocket.Conn {
		conn, resp, err := websocket.Dial(t.Context(), address, nil)
		if err != nil {
			if resp == nil || resp.StatusCode != http.StatusUnauthorized {
				t.Fatal(err)
			}
			return nil
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		return conn
	}
	late := ticket()
	s.clock.pass(2 * time.Minute)
	if dial(late) != nil {
		t.Error("a ticket of two minutes ago opens")
	}
	address := ticket()
	conn := dial(address)
	if conn == nil || dial(address) != nil {
		t.Fatal("a ticket opens not, or twice")
	}
	said := make(chan Posted, 1)
	go func() {
		p, _ := s.Say(context.Background(), "k", "a", "你好")
		said <- p
	}()
	for try := range 2 {
		_, data, err := conn.Read(t.Context())
		var f frame
		if err != nil || json.Unmarshal(data, &f) != nil || f.Type != "CALLBACK" || f.Headers["topic"] != topicMessages || !strings.Contains(f.Data, "你好") {
			t.Fatalf("%s, %v", data, err)
		}
		if try == 1 {
			ack := fmt.Sprintf(`{"code":200,"headers":{"messageId":%q,"contentType":"application/json"},"message":"OK","data":"{}"}`, f.Headers["messageId"])
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(ack)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if p := <-said; !p.Acked || len(p.Tries) != 2 {
		t.Errorf("%+v", p)
	}
}

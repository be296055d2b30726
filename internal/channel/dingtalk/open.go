package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
)

// topicMessages is what a robot's messages come under.
const topicMessages = "/v1.0/im/bot/messages/get"

// opening asks for a connection (document "stream mode").
type opening struct {
	Key     string         `json:"clientId"`
	Secret  string         `json:"clientSecret"`
	Topics  []subscription `json:"subscriptions"`
	Agent   string         `json:"ua"`
	LocalIP string         `json:"localIp"`
}

type subscription struct {
	Type  string `json:"type"`
	Topic string `json:"topic"`
}

// open gets the address of a connection, with the ticket that opens it.
func (c *client) open(ctx context.Context) (string, error) {
	const op = "dingtalk.open"
	body, err := encode(opening{
		Key: c.key, Secret: c.secret.Reveal(), Topics: []subscription{{"CALLBACK", topicMessages}}, Agent: "parley", LocalIP: "127.0.0.1",
	})
	if err != nil {
		return "", chat.E(chat.Internal, op, err)
	}
	a, err := c.send(ctx, op, http.MethodPost, c.origin+pathOpen, body, nil)
	if err != nil {
		return "", err
	}
	if !a.ok() {
		e := apiError(op, a)
		e.Err = errors.New(channel.Redact(e.Err.Error(), c.secret))
		return "", e
	}
	var got struct {
		Endpoint string `json:"endpoint"`
		Ticket   string `json:"ticket"`
	}
	if json.Unmarshal(a.body, &got) != nil || got.Endpoint == "" || got.Ticket == "" {
		return "", chat.E(chat.Unavailable, op, errors.New("the answer holds no endpoint and ticket"))
	}
	u, err := url.Parse(got.Endpoint)
	if err != nil || !near(u, c.origin) {
		return "", chat.E(chat.Forbidden, op, fmt.Errorf("the endpoint %q does not belong to platforms.dingtalk in client.yaml", channel.Printable(got.Endpoint)))
	}
	q := u.Query()
	q.Set("ticket", got.Ticket)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// near reports whether an endpoint belongs to the platform: it is on its host or beside it in one domain, and as safe.
func near(u *url.URL, origin string) bool {
	o, err := url.Parse(origin)
	if err != nil || u.User != nil || u.Scheme != "wss" && (u.Scheme != "ws" || o.Scheme != "http") {
		return false
	}
	own, want := strings.ToLower(u.Hostname()), strings.ToLower(o.Hostname())
	if own == want {
		return own != ""
	}
	_, domain, _ := strings.Cut(want, ".")
	return net.ParseIP(want) == nil && strings.Contains(domain, ".") && strings.HasSuffix(own, "."+domain)
}

package dingtalk

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
)

// address is what a reply needs to know of its message. Webhook holds a credential.
type address struct {
	Webhook string `json:"webhook,omitempty"`
	Until   int64  `json:"until,omitempty"` // ms; when Webhook expires
	Group   string `json:"group,omitempty"` // the group's conversationId
	Staff   string `json:"staff,omitempty"` // the sender's userId; people from outside have none
	Sender  string `json:"sender,omitempty"`
	Nick    string `json:"nick,omitempty"` // shown behind the @ in a group
}

// webhookMargin is how long before its end a webhook is no longer used.
const webhookMargin = 2 * time.Second

func addressOf(m chat.Message) (a address) {
	_ = json.Unmarshal(m.Address, &a) // what this channel wrote
	return a
}

// live reports whether the message's webhook may be used: configuration may have changed since it came.
func (a address) live(origins []string, now time.Time) bool {
	return a.Webhook != "" && within(a.Webhook, origins) && now.Add(webhookMargin).UnixMilli() < a.Until
}

// within reports whether an address lies in one of the origins: scheme, host and port are equal, and nobody else is named in it.
func within(address string, origins []string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return false
	}
	return slices.ContainsFunc(origins, func(origin string) bool {
		o, err := url.Parse(origin)
		return err == nil && strings.EqualFold(u.Scheme, o.Scheme) && strings.EqualFold(u.Hostname(), o.Hostname()) && port(u) == port(o)
	})
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case strings.EqualFold(u.Scheme, "http"):
		return "80"
	default:
		return "443"
	}
}

package nacos

import (
	"errors"
	"strings"
	"testing"

	"parley/internal/chat"
)

// TestRefusal holds what is made of the SDK's words, which are those of SDK 2.3 and Nacos 3.1; TestLoginAndTLS asks a real one.
func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		text string
		kind chat.Kind
	}{
		{"Code: 401, Message: User not found! Please check user exist or password is right!.", chat.Unauthenticated},
		{"Code: 403, Message: authorization failed!", chat.Forbidden},
		{`retry 3 times request failed!: [403] {"status":403,"error":"Forbidden","path":"/nacos/v3/admin/cs/config/list"}`, chat.Forbidden},
		{"client not connected, current status:STARTING", chat.Unavailable},
		{"dial tcp 10.0.0.1:4010: connect: connection refused", chat.Unavailable},
	} {
		for _, user := range []string{"", "nacos"} {
			err := (&Source{addrs: "nacos:8848", user: user}).known(errors.New(tt.text))
			if chat.KindOf(err) != tt.kind {
				t.Errorf("%s: %v", tt.text, err)
			}
			said := strings.Contains(err.Error(), "nacos:8848") && strings.Contains(err.Error(), "set registry.nacos.username and password")
			if said != (tt.kind != chat.Unavailable) {
				t.Errorf("%s as %q: says %v", tt.text, user, err)
			}
		}
	}
}

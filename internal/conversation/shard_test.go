package conversation_test

import (
	"fmt"
	"testing"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// The figures are stored data's addresses: a change of them loses every conversation of a running system.
func TestShardOfIsStable(t *testing.T) {
	for _, tt := range []struct {
		channel, id string
		want        int
	}{
		{"app", "zhang", 1}, {"app", "", 8}, {"", "app", 4}, {"web", "\x00{}:", 13}, {"飞书", "张三", 3},
	} {
		got := conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: tt.channel, ID: tt.id})
		if got != (conversation.Shard{Tenant: "acme", Index: tt.want}) {
			t.Errorf("%q %q: %+v, want index %d", tt.channel, tt.id, got, tt.want)
		}
	}
}

func TestShardOfSpreads(t *testing.T) {
	var n [conversation.Shards]int
	for i := range 16000 {
		n[conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("user-", i)}).Index]++
	}
	for i, got := range n {
		if got < 800 || got > 1200 {
			t.Errorf("shard %d has %d of 16000 conversations, want about 1000", i, got)
		}
	}
}

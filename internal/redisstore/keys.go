package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// root begins every key; the 1 is the version of the format.
const root = "parley:1:"

// prefix begins all keys of a shard. The braces are Redis Cluster's hash tag.
func prefix(s conversation.Shard) string {
	index := strconv.Itoa(s.Index)
	if len(index) < 2 {
		index = "0" + index
	}
	return root + "{" + name(s.Tenant) + ":" + index + "}:"
}

// handle names a conversation within its shard.
func handle(key chat.ConversationKey) string { return name(key.Channel, key.ID) }

// tenantKey names what a channel keeps for all replicas, key being "TENANT/…". It begins with the tenant however long the rest is: a tenant's Redis user
// reaches what begins so, and nothing else.
func tenantKey(kind, key string) string {
	tenant, rest, ok := strings.Cut(key, "/")
	if !ok {
		return root + kind + ":" + name(key)
	}
	return root + kind + ":" + name(tenant) + "%2F" + name(rest)
}

func tokenKey(key string) string { return tenantKey("token", key) }
func lockKey(key string) string  { return tenantKey("lock", key) }
func memoKey(key string) string  { return tenantKey("memo", key) }
func paceKey(key string) string  { return tenantKey("pace", key) }
func relayKey(key string) string { return tenantKey("relay", key) }

// maxName bounds a name: longer ones are hashed, so that no outside id makes keys large.
const maxName = 120

// name writes outside values as one word of letters, digits, and -._@%:#. Different values have different names: within a value every
// other byte is written as %XX, a colon separates values, and only a hash begins with #.
func name(values ...string) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(':')
		}
		for j := 0; j < len(v) && b.Len() <= maxName; j++ {
			if c := v[j]; plain(c) {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	if b.Len() <= maxName {
		return b.String()
	}
	h := sha256.New()
	for _, v := range values {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(v))))
		_, _ = h.Write([]byte(v))
	}
	return "#" + hex.EncodeToString(h.Sum(nil))
}

func plain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("-._@", c) >= 0
}

// stopChannel is where an owner, as name writes it, hears of a tenant's stop commands.
func stopChannel(tenant, owner string) string { return root + "stop:" + name(tenant) + ":" + owner }

package conversation

import (
	"encoding/binary"
	"hash/fnv"

	"parley/internal/chat"
)

// ShardOf tells in which of its tenant's shards a conversation lives. The answer is part of the stored format and never changes.
func ShardOf(key chat.ConversationKey) Shard {
	h := fnv.New64a()
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(key.Channel)))) // so that no two keys run together
	_, _ = h.Write([]byte(key.Channel))
	_, _ = h.Write([]byte(key.ID))
	sum := h.Sum64()
	return Shard{Tenant: key.Tenant, Index: int((sum ^ sum>>32) % Shards)}
}

// Package redisstore keeps in Redis all that Parley's replicas share: conversations ([conversation.Store]), live text, platforms' tokens,
// short locks, feeds, and the heartbeats of client services.
//
// Each step of the conversation store is one Lua file under lua/, run atomically; lua/common.lua lists the keys. All keys of one shard of
// one tenant begin with "parley:1:{tenant:NN}:", so that they share a slot of Redis Cluster; scripts are given that prefix and make their
// keys from it. The 1 is the version of the format. Times are Redis's own (TIME), in milliseconds.
//
// Redis must not evict (maxmemory-policy noeviction) and should write its AOF with appendfsync always: a message is acknowledged to its
// platform when Redis has answered. A user of Redis's ACL needs the keys and the channels that begin with "parley:".
package redisstore

// Package rpc is the only user of dubbo-go and of api/: the Triple client and server of ChatService, discovery through Nacos or a
// fixed list, balance by running streams, ejection of dead and hung instances, TLS, and the mapping of errors to codes.
//
// A [Server] is one instance; a [Client] finds instances and asks one of them for each completion. Both are put together from dubbo-go's
// extension points, with parts of Parley's own where the stock ones break a promise that a chat needs:
//
//	protocol "tri"   Triple over grpc-go: the same wire, but not every message compressed, the caller's certificate known, dead peers noticed
//	registry         Nacos with weights and the enabled flag honoured, TLS, and a server that starts before Nacos does; or a fixed list
//	directory        the pool: instances, their connections and probes; who left the registry keeps its running streams
//	cluster          one try: whether to try again is the turn's decision
//	load balance     fewest running streams for the weight
//	filters          count streams, eject, and dubbo-go's own tracing
//
// On the wire and in Nacos all is as Dubbo has it, so any Dubbo or gRPC client in any language can find and call the service: interface
// parley.chat.v1.ChatService, registered at interface level. Health (grpc.health.v1) and reflection are served too.
//
// With mutual TLS a client's certificate says for which tenants it may speak, in URI subject alternative names: parley://tenant/acme for
// one, any number of them, or parley://tenant/* for every tenant. A request for another tenant is Forbidden. A server's own names
// parley://server: without it, other servers do not let it ask about keys (Hold, Rest). Without certificates a server listens on loopback
// only, and a client calls no farther, unless Insecure is chosen.
//
// An error travels as the Triple code of its kind, with the message "kind code retry_after_ms: text"; code is "-" if there is none. What
// comes without a kind was made by the connection: such an Unavailable keeps calls away from the instance until a probe succeeds.
package rpc

// Package rpc is the only user of dubbo-go and of api/: the Triple client and server of ChatService, discovery through Nacos or a
// fixed list, balance by running streams, ejection of dead and hung instances, TLS, and the mapping of errors to codes.
package rpc

// Package config is the static configuration of a process: a YAML file and the environment, read once at start into [Client] or
// [Server]. Every fault of a file is reported at once, with its line and how to mend it.
//
// Each key is also an environment variable by one rule: PARLEY_, then the key's path in capitals, joined by "_". redis.addrs is
// PARLEY_REDIS_ADDRS, rpc.tls.server_name is PARLEY_RPC_TLS_SERVER_NAME. A variable wins over the file; an empty one counts as not
// set; lists are separated by commas. Secrets are references in the file (env:NAME, file:NAME, age:…); in a variable the secret
// may also stand itself, since that is what env:NAME would read.
//
// The package also tells what kind of document a file is ([Detect]) and checks many of them together ([Check]).
package config

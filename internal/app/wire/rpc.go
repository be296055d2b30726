package wire

import (
	"parley/internal/config"
	"parley/internal/rpc"
)

// TLS is rpc.tls in rpc's own form; files are not read here.
func TLS(t config.TLS) rpc.TLS {
	return rpc.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
}

// Registry is registry in rpc's own form. Where a start without Nacos reads the servers from is for the caller to add.
func Registry(r config.Registry) rpc.Registry {
	return rpc.Registry{Mode: r.Mode, Direct: r.Direct, Nacos: rpc.Nacos{
		Addrs: r.Nacos.Addrs, Namespace: r.Nacos.Namespace, Username: r.Nacos.Username, Password: r.Nacos.Password.Secret,
		PasswordNow: r.Nacos.Password.Now(), CA: r.Nacos.TLS.CA,
	}}
}

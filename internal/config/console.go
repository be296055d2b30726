package config

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// HashPrefix begins every hash of a console user's password.
const HashPrefix = "$argon2id$"

func (d *decoder) validateConsole(c *Console, opt Options) {
	d.listen("http.listen", c.HTTP.Listen)
	d.listen("http.ops", c.HTTP.Ops)
	d.optionalListen("http.debug", c.HTTP.Debug)
	d.distinct(map[string]string{"http.listen": c.HTTP.Listen, "http.ops": c.HTTP.Ops, "http.debug": c.HTTP.Debug})
	d.entrance(c, opt)
	d.dialAll("redis.addrs", c.Redis.Addrs, "write where Redis listens, as in [127.0.0.1:6379]")
	d.caFile("redis.tls.ca", c.Redis.TLS, opt)
	d.registryAndLive(c.Registry, c.Live, opt)
	if c.Live.Snapshot != "" {
		d.fault("live.snapshot", "is for client services", "remove it: a console shows what is published, or that nobody knows")
	}
	if c.Registry.Mode == ModeDirect {
		d.dialAll("registry.direct", c.Registry.Direct, "write the servers' addresses, as in [127.0.0.1:20880]")
		d.plainRPC("registry.direct", c.Registry.Direct, c.RPC)
	}
	d.mutualTLS("rpc.tls", c.RPC.TLS, opt)
	d.tenantNames(c.Tenants)
	d.users(c.Users)
	d.within("session.idle", c.Session.Idle, time.Minute, 24*time.Hour)
	d.within("session.most", c.Session.Most, time.Minute, 7*24*time.Hour)
	d.audit(c.Audit)
}

// entrance judges how browsers come in: beyond this machine only by https, ended here or by a proxy that is named.
func (d *decoder) entrance(c *Console, opt Options) {
	t := c.HTTP.TLS
	secure := t.Cert != "" || t.Key != ""
	switch {
	case (t.Cert == "") != (t.Key == ""):
		d.fault("http.tls", "is half of it", "https needs the PEM files cert and key")
	case secure && !opt.Elsewhere:
		if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
			d.fault("http.tls.cert", fmt.Sprintf("does not load with its key: %v", err), "give the PEM files of one certificate and its key")
		}
	}
	for i, p := range c.Proxies {
		if _, err := ParseNetwork(p); err != nil {
			d.fault(fmt.Sprintf("proxies[%d]", i), fmt.Sprintf("%q is neither an IP address nor a network", p), "write it as in 10.0.0.5 or 10.0.0.0/24")
		}
	}
	if c.PublicURL != "" {
		c.PublicURL = d.origin("public_url", c.PublicURL)
	}
	https := strings.HasPrefix(c.PublicURL, "https://")
	if c.PublicURL != "" && !https && (secure || !Loopback(strings.TrimPrefix(c.PublicURL, "http://"))) {
		d.fault("public_url", "is not https", "write https://…: passwords pass there")
	}
	if https && !secure && len(c.Proxies) == 0 {
		d.fault("public_url", "is https, and nobody here ends it", "set http.tls.cert and key, or name the reverse proxy that ends it under proxies")
	}
	if !Loopback(c.HTTP.Listen) && !(https && (secure || len(c.Proxies) > 0)) && !c.HTTP.Insecure {
		d.fault("http.listen", fmt.Sprintf("%s is reachable from other machines, and passwords pass there", c.HTTP.Listen),
			"set public_url: https://… with http.tls.cert and key, or with the reverse proxy under proxies; or listen on 127.0.0.1; or, in a container whose port is published on loopback alone, accept it with http.insecure: true")
	}
}

// ParseNetwork reads an IP address or a network.
func ParseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

func (d *decoder) users(users []User) {
	if len(users) == 0 {
		d.fault("users", "is empty: nobody could log in", "name at least one, as in [{name: lin, role: admin, password: file:console-lin}]")
	}
	for i, u := range users {
		at := fmt.Sprintf("users[%d]", i)
		if !validUser(u.Name) {
			d.fault(at+".name", fmt.Sprintf("%q is no user's name", u.Name), "use letters, digits and . _ @ -, at most 64")
		} else if slices.ContainsFunc(users[:i], func(o User) bool { return strings.EqualFold(o.Name, u.Name) }) {
			d.fault(at+".name", fmt.Sprintf("%q stands twice", u.Name), "keep one of them")
		}
		if u.Role != RoleViewer && u.Role != RoleOperator && u.Role != RoleAdmin {
			d.fault(at+".role", fmt.Sprintf("%q is no role", u.Role), "write viewer, operator or admin")
		}
		if u.Password.Ref == "" {
			d.fault(at+".password", "is missing", "write file:NAME or env:NAME of what `parley console hash` printed")
		}
	}
}

func validUser(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") == ""
}

// validatePasswords looks at what the references of passwords came to.
func (d *decoder) validatePasswords(c *Console, opt Options) {
	for i, u := range c.Users {
		at := fmt.Sprintf("users[%d].password", i)
		switch {
		case opt.Secrets == nil:
		case u.Password.IsZero():
			if u.Password.Ref == "" && !opt.Elsewhere {
				d.fault(at, "is not set on this machine: the user could not log in", "put there what `parley console hash` prints")
			}
		case !strings.HasPrefix(u.Password.Reveal(), HashPrefix):
			d.fault(at, "holds no hash of a password", "put there what `parley console hash` prints, never the password itself")
		}
	}
}

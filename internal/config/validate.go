package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
)

func (d *decoder) validateClient(c *Client, opt Options) {
	d.listen("http.listen", c.HTTP.Listen)
	d.listen("http.ops", c.HTTP.Ops)
	d.optionalListen("http.debug", c.HTTP.Debug)
	d.distinct(map[string]string{"http.listen": c.HTTP.Listen, "http.ops": c.HTTP.Ops, "http.debug": c.HTTP.Debug})
	d.dialAll("redis.addrs", c.Redis.Addrs, "write where Redis listens, as in [127.0.0.1:6379]")
	if c.Redis.DB < 0 {
		d.fault("redis.db", "is negative", "databases count from 0")
	} else if c.Redis.DB > 0 && len(c.Redis.Addrs) > 1 {
		d.fault("redis.db", "is not 0, and several addresses are a Redis Cluster, which has database 0 alone", "remove db, or name one address")
	}
	d.caFile("redis.tls.ca", c.Redis.TLS, opt)
	d.registryAndLive(c.Registry, c.Live, opt)
	if c.Registry.Mode == ModeDirect {
		d.dialAll("registry.direct", c.Registry.Direct, "write the servers' addresses, as in [127.0.0.1:20880]")
		d.plainRPC("registry.direct", c.Registry.Direct, c.RPC)
	}
	d.tenantNames(c.Tenants)
	d.mutualTLS("rpc.tls", c.RPC.TLS, opt)
	c.Platforms.WeCom = d.origin("platforms.wecom", c.Platforms.WeCom)
	c.Platforms.WeComBot = d.socketOrigin("platforms.wecom_bot", c.Platforms.WeComBot)
	d.originPatterns("platforms.wecom_bot_files", c.Platforms.WeComBotFiles)
	c.Platforms.DingTalk = d.origin("platforms.dingtalk", c.Platforms.DingTalk)
	c.Platforms.Feishu = d.origin("platforms.feishu", c.Platforms.Feishu)
	d.originList("platforms.dingtalk_webhooks", c.Platforms.DingTalkWebhooks)
	d.originPatterns("platforms.dingtalk_files", c.Platforms.DingTalkFiles)
	d.positive("limits.turns", c.Limits.Turns)
	d.positive("limits.waiting", c.Limits.Waiting)
	d.within("shutdown.linger", c.Shutdown.Linger, 0, time.Minute)
	d.within("shutdown.grace", c.Shutdown.Grace, time.Second, 10*time.Minute)
	d.audit(c.Audit)
	d.originList("moderation", c.Moderation)
	if keep := c.Records.Keep; keep != 0 {
		d.within("records.keep", keep, time.Hour, 40*24*time.Hour)
	} else if c.Records.People {
		d.fault("records.people", "has no use while no records are kept", "set records.keep, as in 168h, or remove it")
	}
}

// audit holds the log to what the law asks for: six months (PRC Cybersecurity Law, article 21).
func (d *decoder) audit(a Audit) {
	const day = 24 * time.Hour
	if a.Keep < 183*day || a.Keep > 3660*day {
		d.fault("audit.keep", fmt.Sprintf("%v is not between 183 and 3660 days", a.Keep),
			"write hours from 4392h (six months, which the law asks for) to 87840h, or remove the line for the default, a year")
	}
}

func (d *decoder) validateServer(s *Server, opt Options) {
	d.listen("rpc.listen", s.RPC.Listen)
	if s.RPC.Advertise != "" {
		d.advertise(s.RPC.Advertise)
	}
	d.mutualTLS("rpc.tls", s.RPC.TLS, opt)
	d.within("rpc.renew", s.RPC.Renew, time.Second, 24*time.Hour)
	if !s.RPC.TLS.Enabled() && !s.RPC.Insecure && !Loopback(s.RPC.Listen) {
		d.fault("rpc.listen", fmt.Sprintf("%s is reachable from other machines, and rpc.tls is not set", s.RPC.Listen),
			"set rpc.tls.ca, cert and key, or listen on 127.0.0.1, or accept the risk with rpc.insecure: true")
	}
	d.listen("http.ops", s.HTTP.Ops)
	d.optionalListen("http.debug", s.HTTP.Debug)
	d.distinct(map[string]string{"rpc.listen": s.RPC.Listen, "http.ops": s.HTTP.Ops, "http.debug": s.HTTP.Debug})
	d.registryAndLive(s.Registry, s.Live, opt)
	if s.Live.Snapshot != "" {
		d.fault("live.snapshot", "is for client services", "remove it: a server that starts without Nacos waits, for it cannot know which switches are in force")
	}
	d.originList("outbound", s.Outbound)
	d.positive("limits.streams", s.Limits.Streams)
}

func (d *decoder) tenantNames(names []string) {
	for i, name := range names {
		if at := fmt.Sprintf("tenants[%d]", i); !chat.ValidName(name) {
			d.fault(at, fmt.Sprintf("%q is not a tenant's name", name), "names are made of a-z, 0-9 and -, at most 32")
		} else if slices.Contains(names[:i], name) {
			d.fault(at, fmt.Sprintf("%q stands twice", name), "keep one of them")
		}
	}
}

func (d *decoder) registryAndLive(r Registry, l Live, opt Options) {
	if r.Mode != ModeNacos && r.Mode != ModeDirect {
		d.fault("registry.mode", fmt.Sprintf("%q is not a mode", r.Mode), "write nacos or direct")
	}
	switch l.Source {
	case SourceNacos:
	case SourceFile:
		if l.Snapshot != "" {
			d.fault("live.snapshot", "is for documents that come from Nacos", "remove it: files are there at every start")
		}
		if l.Dir == "" {
			d.fault("live.dir", "is missing", "name the folder that holds parley-routes.yaml, as in configs/live")
		} else if info, err := os.Stat(l.Dir); !opt.Elsewhere && (err != nil || !info.IsDir()) {
			d.fault("live.dir", fmt.Sprintf("%s is not a folder that can be read", l.Dir), "create it, or mend the path")
		}
	default:
		d.fault("live.source", fmt.Sprintf("%q is not a source", l.Source), "write nacos or file")
	}
	if r.Mode == ModeNacos || l.Source == SourceNacos {
		d.dialAll("registry.nacos.addrs", r.Nacos.Addrs, "write where Nacos listens, as in [127.0.0.1:8848]")
		d.caFile("registry.nacos.tls.ca", r.Nacos.TLS, opt)
		if strings.ContainsAny(r.Nacos.Namespace, " \t\n/") {
			d.fault("registry.nacos.namespace", "is not a namespace's id", "copy the id from the Nacos console's list of namespaces")
		}
	}
}

func (d *decoder) listen(path, addr string) {
	if addr == "" {
		d.fault(path, "is missing", "write host:port, as in 127.0.0.1:8080")
		return
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || !isPort(port, 0) {
		d.fault(path, fmt.Sprintf("%q is not an address to listen on", addr), "write host:port, as in 127.0.0.1:8080, or :8080 for every address")
	}
}

func (d *decoder) optionalListen(path, addr string) {
	if addr != "" {
		d.listen(path, addr)
	}
}

// distinct finds two listeners on one address; port 0 never collides.
func (d *decoder) distinct(addrs map[string]string) {
	paths := make([]string, 0, len(addrs))
	for path := range addrs {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	taken := map[string]string{}
	for _, path := range paths {
		addr := addrs[path]
		if addr == "" || strings.HasSuffix(addr, ":0") {
			continue
		}
		if other, ok := taken[addr]; ok {
			d.fault(path, fmt.Sprintf("%s is also the address of %s", addr, other), "give each its own port")
		}
		taken[addr] = path
	}
}

func (d *decoder) dialAll(path string, addrs []string, mend string) {
	if len(addrs) == 0 {
		d.fault(path, "is empty", mend)
	}
	for i, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		switch at := fmt.Sprintf("%s[%d]", path, i); {
		case strings.Contains(addr, "@"): // not repeated: a password may stand before it
			d.fault(at, "is a URL with credentials, not host:port", mend)
		case err != nil || host == "" || !isPort(port, 1):
			d.fault(at, fmt.Sprintf("%q is not host:port", addr), mend)
		}
	}
}

func (d *decoder) plainRPC(path string, addrs []string, rpc ClientRPC) {
	if rpc.TLS.Enabled() || rpc.Insecure {
		return
	}
	for i, addr := range addrs {
		if !Loopback(addr) {
			d.fault(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%s is on another machine, and rpc.tls is not set", addr),
				"set rpc.tls.ca, cert and key, or accept the risk with rpc.insecure: true")
		}
	}
}

func (d *decoder) advertise(addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, "1"
	}
	if host == "" || !isPort(port, 1) || strings.ContainsAny(host, "/ ") {
		d.fault("rpc.advertise", fmt.Sprintf("%q is not an address that clients can call", addr), "write host or host:port, as in 10.0.0.7:20880")
	} else if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		d.fault("rpc.advertise", fmt.Sprintf("%s is a wildcard, which no client can call", host), "write this machine's own address, or leave it empty")
	}
}

func isPort(s string, least int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= least && n <= 65535
}

// Loopback reports whether only this machine can reach the address host:port.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (d *decoder) positive(path string, n int) {
	if n <= 0 {
		d.fault(path, fmt.Sprintf("%d is not above 0", n), "write how many at most, or remove the line for the default")
	}
}

func (d *decoder) within(path string, v, least, most time.Duration) {
	if v < least || v > most {
		d.fault(path, fmt.Sprintf("%v is not between %v and %v", v, least, most), "write a time in these bounds, or remove the line for the default")
	}
}

func (d *decoder) originList(path string, list []string) {
	for i := range list {
		list[i] = d.origin(fmt.Sprintf("%s[%d]", path, i), list[i])
	}
}

// originPatterns checks origins whose host may begin with "*.", which stands for all that lies below the rest.
func (d *decoder) originPatterns(path string, list []string) {
	d.originList(path, list)
	for i, s := range list {
		_, host, _ := strings.Cut(s, "://")
		domain, below := strings.CutPrefix(host, "*.")
		if strings.Contains(domain, "*") || below && !strings.Contains(domain, ".") {
			d.fault(fmt.Sprintf("%s[%d]", path, i), "has a * elsewhere than before a domain", "write it as in https://*.example.com")
		}
	}
}

// origin checks scheme://host[:port] and returns it without a slash at the end.
func (d *decoder) origin(path, s string) string {
	return d.originOf(path, s, "an http or https origin", "https", "http")
}

// socketOrigin is origin for connections that stay open.
func (d *decoder) socketOrigin(path, s string) string {
	return d.originOf(path, s, "a ws or wss origin", "wss", "ws")
}

func (d *decoder) originOf(path, s, what, secure, plain string) string {
	u, err := url.Parse(s)
	switch {
	case s == "":
		d.fault(path, "is missing", fmt.Sprintf("write an origin, as in %s://example.com", secure))
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != secure && u.Scheme != plain):
		d.fault(path, "is not "+what, fmt.Sprintf("write scheme://host or scheme://host:port, as in %s://example.com", secure))
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		d.fault(path, "holds more than an origin", fmt.Sprintf("write %s://%s alone", u.Scheme, u.Host))
	case u.Port() != "" && !isPort(u.Port(), 1):
		d.fault(path, "has a port out of range", "ports go from 1 to 65535")
	}
	return strings.TrimRight(s, "/")
}

func (d *decoder) mutualTLS(path string, t TLS, opt Options) {
	if !t.Enabled() {
		if t.ServerName != "" {
			d.fault(path+".server_name", "has no use without ca, cert and key", "set those too, or remove it")
		}
		return
	}
	complete := true
	for _, f := range []struct{ key, file string }{{"ca", t.CA}, {"cert", t.Cert}, {"key", t.Key}} {
		if f.file == "" {
			complete = false
			d.fault(path+"."+f.key, "is missing beside the others", "mutual TLS needs the PEM files ca, cert and key")
		}
	}
	if opt.Elsewhere {
		return
	}
	d.caFile(path+".ca", CA{t.CA}, opt)
	if !complete {
		return
	}
	if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
		d.fault(path+".cert", fmt.Sprintf("does not load with its key: %v", err), "give the PEM files of one certificate and its key")
	}
}

func (d *decoder) caFile(path string, ca CA, opt Options) {
	if ca.CA == "" || opt.Elsewhere {
		return
	}
	pem, err := os.ReadFile(ca.CA)
	if err != nil {
		d.fault(path, fmt.Sprintf("cannot be read: %v", err), "name the PEM file of the authority that signed the certificates")
	} else if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		d.fault(path, fmt.Sprintf("%s holds no certificate", ca.CA), "name the PEM file of the authority that signed the certificates")
	}
}

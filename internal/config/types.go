package config

import (
	"time"

	"parley/internal/chat"
)

// Client is client.yaml: one client service.
type Client struct {
	HTTP      ClientHTTP   `yaml:"http"`
	Redis     Redis        `yaml:"redis"`
	Registry  Registry     `yaml:"registry"`
	Live      Live         `yaml:"live"`
	Secrets   Secrets      `yaml:"secrets"`
	Tenants   []string     `yaml:"tenants"` // empty: every tenant that the live source lists
	RPC       ClientRPC    `yaml:"rpc"`
	Platforms Platforms    `yaml:"platforms"`
	Limits    ClientLimits `yaml:"limits"`
	Shutdown  Shutdown     `yaml:"shutdown"`
	Audit     Audit        `yaml:"audit"`
	// Moderation are the origins that tenants' hooks may have: scheme://host[:port]. Texts of people go there.
	Moderation []string `yaml:"moderation"`
	Records    Records  `yaml:"records"`
}

// Server is server.yaml: one stateless server instance.
type Server struct {
	RPC      ServerRPC    `yaml:"rpc"`
	HTTP     ServerHTTP   `yaml:"http"`
	Registry Registry     `yaml:"registry"`
	Live     Live         `yaml:"live"`
	Secrets  Secrets      `yaml:"secrets"`
	Outbound []string     `yaml:"outbound"` // origins that providers may have: scheme://host[:port]; a port not named: any
	Limits   ServerLimits `yaml:"limits"`
}

// Console is console.yaml: the operators' web page.
type Console struct {
	HTTP      ConsoleHTTP `yaml:"http"`
	PublicURL string      `yaml:"public_url"` // the origin that browsers use, as in https://ops.example.com; empty: an IP address or localhost
	Proxies   []string    `yaml:"proxies"`    // addresses or networks of the reverse proxies in front, whose X-Forwarded-For is believed
	Redis     Redis       `yaml:"redis"`
	Registry  Registry    `yaml:"registry"`
	Live      Live        `yaml:"live"`
	Secrets   Secrets     `yaml:"secrets"`
	RPC       ClientRPC   `yaml:"rpc"`
	Tenants   []string    `yaml:"tenants"` // shown also while no client service runs for them
	Users     []User      `yaml:"users"`
	Session   Session     `yaml:"session"`
	Audit     Audit       `yaml:"audit"`
	Look      bool        `yaml:"look"` // admins may read a conversation's text, each time with a reason and an audit entry
}

// ConsoleHTTP are a console's listen addresses.
type ConsoleHTTP struct {
	Listen string      `yaml:"listen"`
	TLS    Certificate `yaml:"tls"`
	// Insecure: speak http beyond loopback; for a container whose port is published on loopback alone.
	Insecure bool   `yaml:"insecure"`
	Ops      string `yaml:"ops"`
	Debug    string `yaml:"debug"`
}

// Certificate are the PEM files with which an address speaks https. Both or neither are set.
type Certificate struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// The roles of a console's users. Each may do what the one before it may.
const (
	RoleViewer   = "viewer"
	RoleOperator = "operator"
	RoleAdmin    = "admin"
)

// User may log in at the console.
type User struct {
	Name     string     `yaml:"name"`
	Role     string     `yaml:"role"`
	Password Credential `yaml:"password"` // of its hash, as `parley console hash` prints it
}

// Session is how long a login lasts.
type Session struct {
	Idle time.Duration `yaml:"idle"` // without a request
	Most time.Duration `yaml:"most"` // in all
}

// ClientHTTP are a client service's listen addresses, host:port. A host left out means every address.
type ClientHTTP struct {
	Listen string `yaml:"listen"` // public: callbacks, web pages
	Ops    string `yaml:"ops"`    // /metrics /healthz /readyz
	Debug  string `yaml:"debug"`  // pprof; empty: off
}

// ServerHTTP are a server's listen addresses for people who operate it.
type ServerHTTP struct {
	Ops   string `yaml:"ops"`
	Debug string `yaml:"debug"`
}

// Redis is where conversations are kept. Several addresses are one Redis Cluster.
type Redis struct {
	Addrs    []string   `yaml:"addrs"`
	Username string     `yaml:"username"`
	Password Credential `yaml:"password"`
	DB       int        `yaml:"db"`
	TLS      CA         `yaml:"tls"`
}

// Registry modes.
const (
	ModeNacos  = "nacos"
	ModeDirect = "direct"
)

// Registry is how clients find servers. Nacos is also read in mode direct when live documents come from it.
type Registry struct {
	Mode   string   `yaml:"mode"`
	Nacos  Nacos    `yaml:"nacos"`
	Direct []string `yaml:"direct"` // the servers' addresses
}

// Nacos is a Nacos cluster. Addresses are those of its HTTP port; gRPC is 1000 above.
type Nacos struct {
	Addrs     []string   `yaml:"addrs"`
	Namespace string     `yaml:"namespace"` // its id; empty: public
	Username  string     `yaml:"username"`
	Password  Credential `yaml:"password"`
	TLS       CA         `yaml:"tls"`
}

// Sources of live documents.
const (
	SourceNacos = "nacos"
	SourceFile  = "file"
)

// Live is where live documents come from.
type Live struct {
	Source string `yaml:"source"`
	Dir    string `yaml:"dir"` // source file: the folder of NAME.yaml
	// Snapshot is a folder in which a client service keeps what Nacos told it, for a start while Nacos does not answer. Empty: it waits.
	Snapshot string `yaml:"snapshot"`
}

// Secrets is the folder that file: references are read from.
type Secrets struct {
	Dir string `yaml:"dir"`
}

// ClientRPC is a client service's side of the RPC.
type ClientRPC struct {
	TLS      TLS  `yaml:"tls"`
	Insecure bool `yaml:"insecure"` // speak without TLS beyond loopback
}

// ServerRPC is a server's side of the RPC.
type ServerRPC struct {
	Listen    string `yaml:"listen"`
	Advertise string `yaml:"advertise"` // host or host:port; empty: the listen address, on a wildcard the first that is not loopback
	TLS       TLS    `yaml:"tls"`
	Insecure  bool   `yaml:"insecure"` // listen without TLS beyond loopback
	// Renew is how long a connection under TLS takes new calls; then its client makes another, with the certificates of then.
	Renew time.Duration `yaml:"renew"`
}

// TLS are PEM files of mutual TLS. All three or none are set.
type TLS struct {
	CA         string `yaml:"ca"`
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	ServerName string `yaml:"server_name"` // the name that a server's certificate must bear; empty: the address's host
}

// Enabled reports whether TLS is configured.
func (t TLS) Enabled() bool { return t.CA != "" || t.Cert != "" || t.Key != "" }

// CA turns TLS on towards a service: the PEM file of the authorities that may have signed its certificate. Empty: no TLS.
type CA struct {
	CA string `yaml:"ca"`
}

// Platforms are the origins of the chat platforms, scheme://host[:port] without a slash at the end. Nothing else is called for a tenant.
type Platforms struct {
	WeCom            string   `yaml:"wecom"`
	WeComBot         string   `yaml:"wecom_bot"`       // where AI bots connect to: wss://…
	WeComBotFiles    []string `yaml:"wecom_bot_files"` // where pictures lie that people send to AI bots; a host may begin with "*."
	DingTalk         string   `yaml:"dingtalk"`
	DingTalkWebhooks []string `yaml:"dingtalk_webhooks"`
	DingTalkFiles    []string `yaml:"dingtalk_files"` // where pictures lie; a host may begin with "*."
	Feishu           string   `yaml:"feishu"`
}

// ClientLimits bound one client process.
type ClientLimits struct {
	Turns   int `yaml:"turns"`   // claimed at once by this process
	Waiting int `yaml:"waiting"` // accepted and not yet answered, per tenant
}

// Shutdown is how a client service leaves on SIGTERM.
type Shutdown struct {
	// Linger is how long callbacks are still taken while /readyz says that the process leaves: whoever balances the entry sees that first.
	Linger time.Duration `yaml:"linger"`
	Grace  time.Duration `yaml:"grace"` // running turns may go on for so long; the rest is handed over
}

// Audit is the log of who changed what, in Redis.
type Audit struct {
	Keep time.Duration `yaml:"keep"` // for how long entries are kept
}

// Records are kept of each call to a provider, for a company's own billing, besides the sums of usage.
type Records struct {
	Keep   time.Duration `yaml:"keep"`   // 0: none
	People bool          `yaml:"people"` // with the person's hash
}

// DefaultAudit keeps entries for a year.
func DefaultAudit() Audit { return Audit{Keep: 366 * 24 * time.Hour} }

// ServerLimits bound one server process.
type ServerLimits struct {
	Streams int `yaml:"streams"`
}

// Credential is a secret of the static configuration: its reference, and its value once resolved. It prints as ***.
type Credential struct {
	Ref string // env:NAME, file:NAME or age:…; empty: none, or the value stood in an environment variable itself
	chat.Secret
	now func() chat.Secret // nil: the value never changes
}

// Now gives a function that reads the value anew, for what connects later than the configuration was read; it is safe for concurrent use. While
// the file cannot be read or is empty, the last value stays. nil: the value cannot change, since it does not come from a file.
func (c Credential) Now() func() chat.Secret { return c.now }

// DefaultClient is what a client.yaml that says nothing means.
func DefaultClient() *Client {
	return &Client{
		HTTP:     ClientHTTP{Listen: "127.0.0.1:8080", Ops: "127.0.0.1:9080"},
		Redis:    Redis{Addrs: []string{"127.0.0.1:6379"}, Password: Credential{Ref: "env:REDIS_PASSWORD"}},
		Registry: defaultRegistry(),
		Live:     Live{Source: SourceNacos},
		Secrets:  Secrets{Dir: "/run/secrets"},
		Platforms: Platforms{
			WeCom:            "https://qyapi.weixin.qq.com",
			WeComBot:         "wss://openws.work.weixin.qq.com",
			WeComBotFiles:    []string{"https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com"},
			DingTalk:         "https://api.dingtalk.com",
			DingTalkWebhooks: []string{"https://oapi.dingtalk.com", "https://api.dingtalk.com"},
			DingTalkFiles:    []string{"https://*.dingtalk.com", "https://*.aliyuncs.com"},
			Feishu:           "https://open.feishu.cn",
		},
		Limits:     ClientLimits{Turns: 20000, Waiting: 100000},
		Moderation: []string{},
		Shutdown:   Shutdown{Linger: 2 * time.Second, Grace: 20 * time.Second},
		Audit:      DefaultAudit(),
	}
}

// DefaultServer is what a server.yaml that says nothing means.
func DefaultServer() *Server {
	return &Server{
		RPC:      ServerRPC{Listen: "127.0.0.1:20880", Renew: 30 * time.Minute},
		HTTP:     ServerHTTP{Ops: "127.0.0.1:9081"},
		Registry: defaultRegistry(),
		Live:     Live{Source: SourceNacos},
		Secrets:  Secrets{Dir: "/run/secrets"},
		Outbound: []string{"https://api.openai.com", "https://open.bigmodel.cn", "https://qianfan.baidubce.com"},
		Limits:   ServerLimits{Streams: 20000},
	}
}

// DefaultConsole is what a console.yaml that says nothing means: nobody can log in.
func DefaultConsole() *Console {
	return &Console{
		HTTP:     ConsoleHTTP{Listen: "127.0.0.1:8090", Ops: "127.0.0.1:9082"},
		Redis:    Redis{Addrs: []string{"127.0.0.1:6379"}, Password: Credential{Ref: "env:REDIS_PASSWORD"}},
		Registry: defaultRegistry(),
		Live:     Live{Source: SourceNacos},
		Secrets:  Secrets{Dir: "/run/secrets"},
		Session:  Session{Idle: 30 * time.Minute, Most: 12 * time.Hour},
		Audit:    DefaultAudit(),
	}
}

func defaultRegistry() Registry {
	return Registry{Mode: ModeNacos, Nacos: Nacos{Addrs: []string{"127.0.0.1:8848"}, Password: Credential{Ref: "env:NACOS_PASSWORD"}}}
}

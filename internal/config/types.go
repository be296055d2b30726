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

// ServerLimits bound one server process.
type ServerLimits struct {
	Streams int `yaml:"streams"`
}

// Credential is a secret of the static configuration: its reference, and its value once resolved. It prints as ***.
type Credential struct {
	Ref string // env:NAME, file:NAME or age:…; empty: none, or the value stood in an environment variable itself
	chat.Secret
}

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
		Limits:   ClientLimits{Turns: 20000, Waiting: 100000},
		Shutdown: Shutdown{Linger: 2 * time.Second, Grace: 20 * time.Second},
	}
}

// DefaultServer is what a server.yaml that says nothing means.
func DefaultServer() *Server {
	return &Server{
		RPC:      ServerRPC{Listen: "127.0.0.1:20880"},
		HTTP:     ServerHTTP{Ops: "127.0.0.1:9081"},
		Registry: defaultRegistry(),
		Live:     Live{Source: SourceNacos},
		Secrets:  Secrets{Dir: "/run/secrets"},
		Outbound: []string{"https://api.openai.com", "https://open.bigmodel.cn", "https://qianfan.baidubce.com"},
		Limits:   ServerLimits{Streams: 20000},
	}
}

func defaultRegistry() Registry {
	return Registry{Mode: ModeNacos, Nacos: Nacos{Addrs: []string{"127.0.0.1:8848"}, Password: Credential{Ref: "env:NACOS_PASSWORD"}}}
}

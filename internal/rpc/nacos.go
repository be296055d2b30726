package rpc

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/registry"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client/naming_cache"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client/naming_grpc"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/common/http_agent"
	"github.com/nacos-group/nacos-sdk-go/v2/common/nacos_server"
	"github.com/nacos-group/nacos-sdk-go/v2/model"

	"parley/internal/nacoslogin"
)

const (
	nacosGroup = "DEFAULT_GROUP"
	// nacosService is the name under which Dubbo, in every language, registers an interface: category, interface, version, group.
	nacosService = "providers:" + serviceName + "::"
	nacosTimeout = 3000 // milliseconds for one request to Nacos
)

// naming is what of the SDK is used.
type naming interface {
	ServerHealthy() bool // whether the connection stands; does not block
	RegisterInstance(service, group string, i model.Instance) (bool, error)
	DeregisterInstance(service, group string, i model.Instance) (bool, error)
	Subscribe(service, group, clusters string) (model.Service, error)
	QueryInstancesOfService(service, group, cluster string, udpPort int, healthyOnly bool) (*model.Service, error)
	CloseClient()
}

// nacosRegistry is dubbo-go's registry of Parley on Nacos. The stock one drops the weight and the enabled flag that operators edit,
// knows no TLS, fails if Nacos comes up after the server, and never asks again when a push was lost. Services and metadata are in the
// form that Dubbo consumers expect.
type nacosRegistry struct {
	noRegistry
	opts    Nacos
	log     *slog.Logger
	login   *nacoslogin.Agent
	connect func(ctx context.Context, pushed func()) (naming, error)
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup

	registered chan struct{} // closed when the server stands in Nacos for the first time
	once       sync.Once
	leave      chan chan error // asks keep to deregister
}

var _ registry.Registry = (*nacosRegistry)(nil)

func newNacos(o Nacos, log *slog.Logger) (*nacosRegistry, error) {
	if _, err := o.servers(); err != nil {
		return nil, err
	}
	if err := o.checkCA(); err != nil {
		return nil, err
	}
	r := &nacosRegistry{opts: o, log: log, registered: make(chan struct{}), leave: make(chan chan error),
		login: nacoslogin.New(nacoslogin.Options{Password: o.Password, Now: o.PasswordNow, CAFile: o.CA, Log: log})}
	r.connect = func(ctx context.Context, pushed func()) (naming, error) { return o.connect(ctx, r.login, pushed) }
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

func (n Nacos) servers() ([]constant.ServerConfig, error) {
	if len(n.Addrs) == 0 {
		return nil, errors.New("registry.nacos.addrs is empty: name at least one host:port")
	}
	scheme := "http"
	if n.CA != "" {
		scheme = "https"
	}
	var out []constant.ServerConfig
	for _, addr := range n.Addrs {
		host, p, err := net.SplitHostPort(addr)
		port, numErr := strconv.ParseUint(p, 10, 16)
		if err != nil || numErr != nil || host == "" {
			return nil, fmt.Errorf("registry.nacos.addrs %q: want host:port", addr)
		}
		out = append(out, constant.ServerConfig{
			IpAddr: host, Port: port, GrpcPort: port + constant.RpcPortOffset, ContextPath: constant.WEB_CONTEXT, Scheme: scheme,
		})
	}
	return out, nil
}

// checkCA reads the file before the SDK does, which would go on without it.
func (n Nacos) checkCA() error {
	if n.CA == "" {
		return nil
	}
	pem, err := os.ReadFile(n.CA)
	if err != nil {
		return fmt.Errorf("registry.nacos.tls.ca: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return fmt.Errorf("registry.nacos.tls.ca: %s holds no PEM certificate", n.CA)
	}
	return nil
}

func (n Nacos) namespace() string {
	if n.Namespace == "" {
		return constant.DEFAULT_NAMESPACE_ID
	}
	return n.Namespace
}

// connect makes the SDK's gRPC half of naming. It blocks for some seconds if Nacos is down, and goes on connecting in the background
// until ctx ends. pushed is called on the SDK's goroutine whenever Nacos pushes a change of the service.
//
// The SDK's usual client is not used: it answers from its cache where a question is meant, and calls Nacos healthy if any HTTP answers.
func (n Nacos) connect(ctx context.Context, login http_agent.IHttpAgent, pushed func()) (naming, error) {
	servers, err := n.servers()
	if err != nil {
		return nil, err
	}
	tls := constant.TLSConfig{Appointed: true, Enable: n.CA != "", CaFile: n.CA}
	cfg := constant.ClientConfig{
		TimeoutMs: nacosTimeout, NamespaceId: n.namespace(), AppName: "parley", Username: n.Username, Password: n.Password.Reveal(),
		TLSCfg: tls, ContextPath: constant.WEB_CONTEXT,
	}
	server, err := nacos_server.NewNacosServer(ctx, servers, cfg, login, nacosTimeout, "", nil)
	if err != nil {
		return nil, err
	}
	// The null device as directory: nothing is kept on disk. A list from an earlier life would be of no use; probes tell the truth.
	holder := naming_cache.NewServiceInfoHolder(cfg.NamespaceId, os.DevNull, true, true)
	callback := func([]model.Instance, error) { pushed() }
	holder.RegisterCallback(nacosGroup+constant.SERVICE_INFO_SPLITER+nacosService, "",
		naming_cache.NewSubscribeCallbackFuncWrapper(naming_cache.NewClusterSelector(nil), &callback))
	return naming_grpc.NewNamingGrpcProxy(ctx, cfg, server, holder)
}

// Register announces the service until Destroy, also if Nacos comes up later or restarts. It does not block.
func (r *nacosRegistry) Register(url *common.URL) error {
	instance, err := nacosInstance(url)
	if err != nil {
		return err
	}
	r.work.Go(func() { r.keep(instance) })
	return nil
}

// Subscribe tells l of every change until Destroy. It does not block.
func (r *nacosRegistry) Subscribe(_ *common.URL, l registry.NotifyListener) error {
	r.work.Go(func() { r.watch(l) })
	return nil
}

// IsAvailable reports nothing: every use of the registry retries by itself.
func (r *nacosRegistry) IsAvailable() bool { return r.ctx.Err() == nil }

// Destroy ends both halves. It waits for them, but not for an SDK that hangs in a call to Nacos.
func (r *nacosRegistry) Destroy() {
	r.cancel()
	ended := make(chan struct{})
	go func() {
		r.work.Wait()
		close(ended)
	}()
	limit := time.NewTimer(leaveLimit)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
	}
}

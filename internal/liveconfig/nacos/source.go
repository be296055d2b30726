package nacos

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/nacos_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/liveconfig"
	"parley/internal/nacoslogin"
)

// Group is the Nacos group of Parley's documents.
const Group = "PARLEY"

// Options say which Nacos and which namespace.
type Options struct {
	Addrs     []string // host:port of the HTTP port; gRPC is 1000 above
	Namespace string   // its id; empty: public
	Username  string
	Password  chat.Secret
	// PasswordNow reads the password anew, where it may change; nil: it is Password for ever.
	PasswordNow func() chat.Secret
	CAFile      string // PEM; set: TLS to both ports
	Group       string // empty: Group
	Log         *slog.Logger
	Metrics     prometheus.Registerer // nil: none
}

// Source is a namespace of a Nacos cluster. Safe for concurrent use.
type Source struct {
	client config_client.IConfigClient
	login  *nacoslogin.Agent
	addrs  string
	user   string
	group  string
	dir    string
	log    *slog.Logger
	up     prometheus.Gauge

	connecting sync.Mutex  // the SDK's first call connects, and must not race with others
	connected  atomic.Bool // some call has been answered
	reachable  atomic.Int32
	closed     atomic.Bool
	listeners  listeners
}

var _ liveconfig.Source = (*Source)(nil)

const (
	unknown = iota
	reached
	unreachable
	refused // it answers, and does not take the login
)

// New makes a Source. Nacos need not be up; with a username New asks it for a token and may block for the SDK's timeout, 3 s an address.
// Errors are of kind Invalid: the options are wrong.
func New(opt Options) (*Source, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Group == "" {
		opt.Group = Group
	}
	servers, err := servers(opt)
	if err != nil {
		return nil, chat.E(chat.Invalid, "liveconfig.nacos", err)
	}
	dir, err := os.MkdirTemp("", "parley-nacos-")
	if err != nil {
		return nil, chat.E(chat.Internal, "liveconfig.nacos", err)
	}
	quiet()
	login := nacoslogin.New(nacoslogin.Options{Password: opt.Password, Now: opt.PasswordNow, CAFile: opt.CAFile, Log: opt.Log})
	client, err := connect(servers, login, constant.ClientConfig{
		TimeoutMs:           3000,
		NamespaceId:         opt.Namespace,
		Username:            opt.Username,
		Password:            opt.Password.Reveal(),
		CacheDir:            filepath.Join(dir, "cache"),
		LogDir:              filepath.Join(dir, "log"),
		LogLevel:            "warn",
		DisableUseSnapShot:  true,
		NotLoadCacheAtStart: true,
		AppName:             "parley",
		TLSCfg:              constant.TLSConfig{Appointed: true, Enable: opt.CAFile != "", CaFile: opt.CAFile},
	})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, chat.E(chat.Invalid, "liveconfig.nacos", err)
	}
	s := &Source{client: client, login: login, addrs: strings.Join(opt.Addrs, ", "), user: opt.Username, group: opt.Group, dir: dir, log: opt.Log}
	s.listeners.source = s
	s.up = prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_live_source_up",
		Help: "1 while the source of live documents answers; 0 changes nothing but that changes are not seen."})
	if opt.Metrics != nil {
		opt.Metrics.MustRegister(s.up)
	}
	return s, nil
}

// connect makes the SDK's client with an agent of ours, which its own factory does not take.
func connect(servers []constant.ServerConfig, login *nacoslogin.Agent, cfg constant.ClientConfig) (config_client.IConfigClient, error) {
	c := &nacos_client.NacosClient{}
	if err := errors.Join(c.SetClientConfig(cfg), c.SetServerConfig(servers), c.SetHttpAgent(login)); err != nil {
		return nil, err
	}
	return config_client.NewConfigClientWithRamCredentialProvider(c, nil)
}

func servers(opt Options) ([]constant.ServerConfig, error) {
	scheme := "http"
	if opt.CAFile != "" {
		scheme = "https"
		pem, err := os.ReadFile(opt.CAFile)
		if err != nil {
			return nil, err
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", opt.CAFile)
		}
	}
	if len(opt.Addrs) == 0 {
		return nil, errors.New("no address of Nacos is given")
	}
	var all []constant.ServerConfig
	for _, addr := range opt.Addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || n == 0 || n > 64535 { // gRPC takes the port 1000 above
			return nil, fmt.Errorf("%q is not host:port with a port from 1 to 64535", addr)
		}
		all = append(all, constant.ServerConfig{Scheme: scheme, ContextPath: "/nacos", IpAddr: host, Port: n, GrpcPort: n + constant.RpcPortOffset})
	}
	return all, nil
}

// Close leaves Nacos and removes the SDK's files. Watches should have ended before.
func (s *Source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.client.CloseClient()
	remove(s.dir, s.log)
	return nil
}

// remove deletes the SDK's files. The SDK may still be writing what it read last: so the folder gets another name first, under which nobody writes.
// Whatever stays is no reason for a program to end with an error.
func remove(dir string, log *slog.Logger) {
	var err error
	for range 50 {
		gone := dir + ".gone"
		_ = os.Rename(dir, gone) // if that cannot be, it is deleted where it is
		if err = errors.Join(os.RemoveAll(gone), os.RemoveAll(dir)); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log.Warn("files of the Nacos SDK stay behind", "dir", dir, "err", err)
}

// Get implements liveconfig.Source.
func (s *Source) Get(ctx context.Context, name string) ([]byte, bool, error) {
	for {
		// The SDK gives an empty text for a document that does not exist; Nacos refuses to keep an empty one.
		content, err := call(ctx, s, func() (string, error) {
			return s.client.GetConfig(vo.ConfigParam{DataId: name, Group: s.group})
		})
		if !errors.Is(err, errLimited) {
			return []byte(content), content != "", err
		}
		select {
		case <-ctx.Done():
			return nil, false, chat.E(chat.KindOf(ctx.Err()), "liveconfig.nacos", ctx.Err())
		case <-time.After(retryLimited):
		}
	}
}

// The SDK reads a document at most 5 times a second in one process, and says so with an error.
const retryLimited = 250 * time.Millisecond

var errLimited = errors.New("the SDK's own limit of reads")

// refusal is how the SDK writes that Nacos does not let this process in: the first for reads and writes, the second for lists. Nacos tells
// neither a wrong password from a missing one, nor always either from a right that is missing.
var refusal = regexp.MustCompile(`Code: (40[13])\b|\[(40[13])\]`)

// known turns the SDK's errors that mean something to us, and have a text alone, into ours.
func (s *Source) known(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "is limited"):
		return errLimited
	case strings.Contains(err.Error(), "Cas publish fail"):
		return liveconfig.ErrConflict
	}
	if m := refusal.FindStringSubmatch(err.Error()); m != nil {
		kind := chat.Unauthenticated
		if m[1]+m[2] == "403" {
			kind = chat.Forbidden
		}
		return chat.E(kind, "liveconfig.nacos", s.refuses(err))
	}
	return chat.E(chat.Unavailable, "liveconfig.nacos", err)
}

// refuses says what to mend when Nacos does not let this process in.
func (s *Source) refuses(err error) error {
	if s.user == "" {
		return fmt.Errorf("Nacos at %s wants a login: set registry.nacos.username and password (%w)", s.addrs, err)
	}
	return fmt.Errorf("Nacos at %s refuses the user %s: set registry.nacos.username and password as they are there, and let that user read and write "+
		"the namespace (%w)", s.addrs, s.user, err)
}

// call runs one SDK call beside the caller, who waits no longer than ctx, and notes whether Nacos answered.
func call[T any](ctx context.Context, s *Source, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		if !s.connected.Load() {
			s.connecting.Lock()
			defer s.connecting.Unlock()
		}
		if s.closed.Load() {
			var r result
			r.err = errors.New("the source is closed")
			done <- r
			return
		}
		v, err := f()
		if err == nil {
			s.connected.Store(true)
		}
		done <- result{v, err}
	}()
	var zero T
	select {
	case r := <-done:
		err := s.known(r.err)
		switch chat.KindOf(err) {
		case chat.Unavailable:
			s.note(unreachable, err)
		case chat.Unauthenticated, chat.Forbidden:
			s.login.Doubt()
			s.note(refused, err)
		default:
			if err == nil {
				s.note(reached, nil)
			}
		}
		return r.value, err
	case <-ctx.Done():
		return zero, chat.E(chat.KindOf(ctx.Err()), "liveconfig.nacos", ctx.Err())
	}
}

// note logs when Nacos becomes unreachable or refuses, and when it answers again, once each.
func (s *Source) note(state int32, err error) {
	was := s.reachable.Swap(state)
	if was == state {
		return
	}
	if err != nil {
		s.up.Set(0)
		s.log.Warn("Nacos does not give live documents; what is in force stays", "addrs", s.addrs, "error", err.Error())
		return
	}
	s.up.Set(1)
	if was != unknown {
		s.log.Info("Nacos gives live documents again")
	}
}
